/** The files of one audit: `audit.log`, the closed `audit.000001.log` …, the lock. Names and order only, no content. */
import { chmod, mkdir, readdir, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { describeSystemError, systemCode } from '../file-errors.js'
import { lockFile } from '../lifecycle/file-lock.js'

export const currentName = 'audit.log'
/** A file being begun: nothing in it counts before it has become `audit.log`. */
export const nextName = 'audit.log.next'
const lockName = 'audit.lock'
const rotatedPattern = /^audit\.(\d{6,9})\.log$/

/** `audit.000001.log` for 1. */
export function rotatedName(file: number): string {
  return `audit.${String(file).padStart(6, '0')}.log`
}

/** Numbers of the closed files, ascending. */
export async function listRotated(directory: string): Promise<readonly number[]> {
  const names = await readdir(directory)
  return names
    .map((name) => Number(rotatedPattern.exec(name)?.[1] ?? 0))
    .filter((file) => file > 0)
    .sort((a, b) => a - b)
}

/**
 * With its parents, for this user alone. Not `mkdir` with `recursive`: observed on Node 20.20, that never returns where
 * a parent exists but takes no directory (/proc/x).
 */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    const parent = dirname(path)
    const hasParent = await stat(parent).then(
      () => true,
      () => false,
    )
    if (code !== 'ENOENT' || hasParent) throw error
    await makeDirectory(parent)
    await mkdir(path, { mode: 0o700 })
  }
}

/** @throws ERR_AUDIT_UNAVAILABLE when it cannot be made or kept to ourselves. */
export async function ensureAuditDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory)
    if (((await stat(directory)).mode & 0o077) !== 0) await chmod(directory, 0o700)
  } catch (error) {
    throw auditUnavailable(
      `the audit directory cannot be used: ${describeSystemError(error)}`,
      error,
    )
  }
}

/** @throws ERR_AUDIT_UNAVAILABLE when another process has this audit open. */
export async function lockAudit(directory: string): Promise<FileHandle> {
  const lock = await lockFile(join(directory, lockName), 'the audit directory').catch(
    (error: unknown) => {
      throw auditUnavailable('the audit directory cannot be locked', error)
    },
  )
  if (lock === undefined) throw auditUnavailable('another process has this audit open')
  return lock
}

/** The one code for an audit that cannot be written, whatever the reason. */
export function auditUnavailable(detail: string, cause?: unknown, retryAfterMs?: number) {
  return new DomainError('ERR_AUDIT_UNAVAILABLE', detail, {
    ...(cause === undefined ? {} : { cause }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}
