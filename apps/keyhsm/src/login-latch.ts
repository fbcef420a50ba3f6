/**
 * After the HSM refused a login nothing logs in again by itself, across restarts: every further try could be the one that
 * locks the partition or wipes it. The latch is a file that only a person's act removes.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { toFileError } from '@keyhsm/service'
import { firstName } from './backend-names.js'
import { readTextIfThere, removeFile } from './files.js'
import type { Paths } from './paths.js'

/** Each backend has a latch of its own: a wrong PIN of one does not stop the others. */
export function latchOf({ latch }: Pick<Paths, 'latch'>, backend: string): string {
  return backend === firstName ? latch : `${latch}-${backend}`
}

/**
 * Sets the latch; durable when it returns. Synchronous, so that nothing else happens between the refusal and the latch. Where
 * nothing can be written any more, the file that {@link admitLogin} wrote takes its place.
 */
export function latchLogin(path: string, now: Date): void {
  try {
    writeDurably(path, `the HSM refused the login at ${now.toISOString()}\n`)
  } catch {
    renameSync(spareOf(path), path)
    syncFolder(path)
  }
}

/**
 * Whether a login may be tried: not while the latch is set, and not where a refusal could not be remembered.
 * @throws ERR_HSM_LOGIN while the latch is set; ERR_UNAVAILABLE or ERR_NOT_ALLOWED when its folder cannot be written.
 */
export async function admitLogin(path: string): Promise<void> {
  const text = await readTextIfThere(path)
  if (text === undefined) return prepareLatch(path)
  const what = text.trim() || 'the HSM refused the login'
  throw new DomainError('ERR_HSM_LOGIN', `${what}; it is not tried again by itself`, {
    hints: latchHints,
  })
}

/** What a person can do about a refused login. */
export const latchHints: readonly string[] = [
  'check the PIN, and with the HSM’s own tools whether the user is locked',
  'give the right PIN: keyhsm setup … --pin-file F',
  'or, when the stored PIN is right after all: keyhsm login-reset',
]

/** Takes the latch away, by a person's order. @returns whether it was set. */
export function releaseLatch(path: string): Promise<boolean> {
  return removeFile(path)
}

function prepareLatch(path: string): void {
  try {
    writeDurably(spareOf(path), 'the HSM refused the login\n')
  } catch (error) {
    throw toFileError(error, 'no login is tried: its refusal could not be remembered')
  }
}

/** Becomes the latch when there is no room for one. */
function spareOf(path: string): string {
  return `${path}.spare`
}

function writeDurably(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const file = openSync(path, 'w', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  syncFolder(path)
}

function syncFolder(path: string): void {
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
