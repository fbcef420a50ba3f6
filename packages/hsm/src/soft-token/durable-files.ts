/** Files that survive a power cut, and what the file system's error numbers mean to a caller of the token. */
import { open } from 'node:fs/promises'
import { DomainError, type ErrorCode, toDomainError } from '@keyhsm/core'

/** Creates a file (0600; it must not exist) and returns when its bytes are on the disk. */
export async function writeDurably(path: string, data: Buffer | string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(data)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes the names in a directory durable: without it a new file may be gone after a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** True when `error` comes from the operating system with one of these codes, e.g. `ENOENT`. */
export function hasFileCode(error: unknown, ...codes: string[]): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code !== undefined && codes.includes(code)
}

const fileErrors: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOSPC: ['ERR_HSM_FULL', 'the token has no room for another key'],
  EDQUOT: ['ERR_HSM_FULL', 'the token has no room for another key'],
  EROFS: ['ERR_HSM_REFUSED', 'the token is read-only'],
}

/** A file system error as the contract names it; other errors as `toDomainError` has them. Paths stay in the cause. */
export function toTokenError(error: unknown): DomainError {
  const { errno, code = '' } = (error ?? {}) as NodeJS.ErrnoException
  if (typeof errno !== 'number') return toDomainError(error)
  const known = Object.hasOwn(fileErrors, code) ? fileErrors[code] : undefined
  const [domainCode, detail] = known ?? ['ERR_HSM_UNAVAILABLE', 'the token cannot be reached']
  return new DomainError(domainCode, detail, { cause: error })
}
