/** Translates what the file system says into errors of this product, by code. */
import { DomainError, type ErrorCode } from '@keyhsm/core'

const codeOf: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'ERR_NOT_FOUND',
  EACCES: 'ERR_NOT_ALLOWED',
  EPERM: 'ERR_NOT_ALLOWED',
  EROFS: 'ERR_NOT_ALLOWED',
  EEXIST: 'ERR_ALREADY_EXISTS',
  ENOSPC: 'ERR_UNAVAILABLE',
  EDQUOT: 'ERR_UNAVAILABLE',
  EFBIG: 'ERR_UNAVAILABLE',
  EIO: 'ERR_UNAVAILABLE',
  ESTALE: 'ERR_UNAVAILABLE',
}

const wordsOf: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
  EEXIST: 'exists already',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  ELOOP: 'is a symbolic link',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'disk quota used up',
  EFBIG: 'file size limit reached',
  EIO: 'input/output error',
}

/** The system's error code (`ENOSPC`), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** The error code in words for an operator: `no space left on the device (ENOSPC)`; never a path. */
export function describeSystemError(error: unknown): string {
  const code = systemCode(error)
  if (code === undefined) return 'unexpected error'
  return code in wordsOf ? `${wordsOf[code]} (${code})` : code
}

/** `what` names the file in the caller's words, e.g. `the settings file`; the path stays in the cause. */
export function toFileError(error: unknown, what: string): DomainError {
  if (error instanceof DomainError) return error
  const code = codeOf[systemCode(error) ?? ''] ?? 'ERR_INTERNAL'
  return new DomainError(code, `${what}: ${describeSystemError(error)}`, { cause: error })
}
