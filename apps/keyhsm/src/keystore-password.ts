/**
 * Where the password of the keystore comes from: a systemd credential, else a file of its own, so that a backup of the
 * keystore does not hold it; where there is neither, whoever starts the service gives it, and the environment that is handed
 * on holds it. While it is being changed there are two, one of which opens the keystore.
 */
import { randomBytes } from 'node:crypto'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { invalidInput } from '@keyhsm/core'
import { readSystemdCredential, writeFileAtomically } from '@keyhsm/service'
import { readSecretFileIfThere } from './files.js'

export type Environment = Readonly<Record<string, string | undefined>>

export const passwordFile = 'password'
const nextFile = 'password.next'
/** Name of the systemd credential (`LoadCredential=`) that stands in for the password file. */
export const credentialName = 'keyhsm-keystore-password'
/** Read by `setup` as the new password, by everything else as the present one. */
export const passwordVariable = 'KEYHSM_KEYSTORE_PASSWORD'
/** The manual's rule. */
const leastCharacters = 6

/**
 * The passwords that may open the keystore, most likely first; none when there is no keystore yet.
 * @throws ERR_SETTINGS when a file can be read by others.
 */
export async function readPasswords(folder: string, env: Environment): Promise<readonly string[]> {
  const credential = await readSystemdCredential(credentialName, env)
  if (credential !== undefined) return [credential]
  const texts = [
    await readSecretFileIfThere(join(folder, passwordFile)),
    await readSecretFileIfThere(join(folder, nextFile)),
  ]
  const stored = texts.flatMap((text) => (text?.trimEnd() ? [text.trimEnd()] : []))
  const given = env[passwordVariable]
  return given ? [...stored, given] : stored
}

/** The present password; a new one of 256 random bits, stored, where there is none. */
export async function ensurePassword(folder: string, env: Environment): Promise<string> {
  const [known] = await readPasswords(folder, env)
  if (known !== undefined) return known
  const password = randomBytes(32).toString('base64url')
  await writeFileAtomically(join(folder, passwordFile), `${password}\n`, 0o600)
  return password
}

/**
 * Replaces the password; `rewrite` saves the keystore under the new one. A crash in between leaves both passwords, so that
 * the keystore opens whichever it has.
 * @throws ERR_INVALID_INPUT when systemd holds the password, or it breaks the rule.
 */
export async function replacePassword(
  folder: string,
  { env, password }: { readonly env: Environment; readonly password: string },
  rewrite: () => Promise<void>,
): Promise<void> {
  checkPassword(password)
  if ((await readSystemdCredential(credentialName, env)) !== undefined) {
    throw invalidInput('password', `comes from the systemd credential ${credentialName}`)
  }
  await writeFileAtomically(join(folder, nextFile), `${password}\n`, 0o600)
  await rewrite()
  await rename(join(folder, nextFile), join(folder, passwordFile))
}

/** @throws ERR_INVALID_INPUT when a password is too short or no single line. */
export function checkPassword(password: string): void {
  if (password.length < leastCharacters) {
    throw invalidInput('password', `must have at least ${leastCharacters} characters`)
  }
  if (/\p{Cc}/u.test(password)) throw invalidInput('password', 'must be one line of text')
}
