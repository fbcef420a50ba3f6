/**
 * After the HSM refused a login nothing logs in again by itself, across restarts: every further try could be the one that
 * locks the partition or wipes it. The latch is a file that only a person's act removes.
 */
import { DomainError } from '@keyhsm/core'
import { writeFileAtomically } from '@keyhsm/service'
import { makePrivateDirectory, readTextIfThere, removeFile } from './files.js'
import { dirname } from 'node:path'

/** Sets the latch; durable when the promise resolves. Call before anything else is done about the refusal. */
export async function latchLogin(path: string, now: Date): Promise<void> {
  await makePrivateDirectory(dirname(path))
  await writeFileAtomically(path, `the HSM refused the login at ${now.toISOString()}\n`, 0o600)
}

/** @throws ERR_HSM_LOGIN while the latch is set: then no login may be tried. */
export async function requireUnlatched(path: string): Promise<void> {
  const text = await readTextIfThere(path)
  if (text === undefined) return
  throw new DomainError('ERR_HSM_LOGIN', `${text.trim()}; it is not tried again by itself`, {
    hints: [
      'check the PIN and whether the HSM has locked the user',
      'set the right PIN: keyhsm setup … --pin-file F',
      'or, when the PIN is right after all: keyhsm login-reset',
    ],
  })
}

/** Takes the latch away, by a person's order. @returns whether it was set. */
export function releaseLatch(path: string): Promise<boolean> {
  return removeFile(path)
}
