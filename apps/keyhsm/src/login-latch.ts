/**
 * After the HSM refused a login nothing logs in again by itself, across restarts: every further try could be the one that
 * locks the partition or wipes it. The latch is a file that only a person's act removes.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { firstName } from './backend-names.js'
import { readTextIfThere, removeFile } from './files.js'
import type { Paths } from './paths.js'

/** Each backend has a latch of its own: a wrong PIN of one does not stop the others. */
export function latchOf({ latch }: Pick<Paths, 'latch'>, backend: string): string {
  return backend === firstName ? latch : `${latch}-${backend}`
}

/**
 * Sets the latch; durable when it returns. Synchronous, so that nothing else happens between the refusal and the latch.
 */
export function latchLogin(path: string, now: Date): void {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = openSync(path, 'w', 0o600)
  try {
    writeSync(file, `the HSM refused the login at ${now.toISOString()}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  const directory = openSync(folder, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

/** @throws ERR_HSM_LOGIN while the latch is set: then no login may be tried. */
export async function requireUnlatched(path: string): Promise<void> {
  const text = await readTextIfThere(path)
  if (text === undefined) return
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
