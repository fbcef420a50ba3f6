/**
 * The token's login. A refused PIN latches on the disk: `refused-login.json` names it (by a MAC that costs one scrypt to
 * compute, as much as a guess at the token itself), and the same PIN is not tried again, in this process or a later
 * one. A different PIN means that a person has acted: it is tried once. A good login removes the file.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError, type SecretBytes } from '@keyhsm/core'
import { hasFileCode, syncDirectory, writeDurably } from './durable-files.js'
import {
  derivePinKeys,
  isHex,
  openTokenKey,
  type PinKeys,
  parseJsonObject,
  type TokenHeader,
} from './token-header.js'

/** What is known of logins refused since the last good one. */
export interface RefusedLogins {
  /** How often a PIN was tried in vain. */
  readonly attempts: number
  /** Names the last refused PIN; empty when none was. */
  readonly name: string
}

/** The token key for `pin`. @throws ERR_HSM_LOGIN when the PIN is wrong, or known to be wrong and so not tried. */
export async function login(
  directory: string,
  header: TokenHeader,
  pin: string,
): Promise<SecretBytes> {
  const keys = await derivePinKeys(pin, header)
  try {
    const refused = await readRefusedLogins(directory)
    const name = nameOf(keys)
    if (sameName(refused.name, name)) throw latched()
    const tokenKey = openTokenKey(header, keys)
    if (!tokenKey) {
      await writeRefusedLogins(directory, { attempts: refused.attempts + 1, name })
      throw new DomainError('ERR_HSM_LOGIN', 'the token refused the PIN', {
        hints: ['give the right PIN; this one is not tried again'],
      })
    }
    if (refused.attempts > 0) await forgetRefusedLogins(directory)
    return tokenKey
  } finally {
    keys.sealing.wipe()
    keys.naming.wipe()
  }
}

/** The refused logins since the last good one; none when the file is missing or damaged. */
export async function readRefusedLogins(directory: string): Promise<RefusedLogins> {
  const none = { attempts: 0, name: '' }
  try {
    const fields = parseJsonObject(await readFile(pathIn(directory), 'utf8'))
    const { attempts, name } = fields
    return typeof attempts === 'number' && isHex(name, 32) ? { attempts, name } : none
  } catch (error) {
    if (hasFileCode(error, 'ENOENT')) return none
    throw error
  }
}

async function writeRefusedLogins(directory: string, refused: RefusedLogins): Promise<void> {
  const staged = `${pathIn(directory)}.${process.pid}`
  await unlink(staged).catch(() => undefined)
  await writeDurably(staged, `${JSON.stringify(refused)}\n`)
  await rename(staged, pathIn(directory))
  await syncDirectory(directory)
}

async function forgetRefusedLogins(directory: string): Promise<void> {
  await unlink(pathIn(directory)).catch((error: unknown) => {
    if (!hasFileCode(error, 'ENOENT')) throw error
  })
}

function pathIn(directory: string): string {
  return join(directory, 'refused-login.json')
}

function nameOf(keys: PinKeys): string {
  const mac = keys.naming.expose((key) => createHmac('sha256', key).update('refused PIN').digest())
  return mac.toString('hex')
}

function sameName(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

function latched(): DomainError {
  return new DomainError(
    'ERR_HSM_LOGIN',
    'the token refused this PIN before; it was not tried again',
    { hints: ['give the right PIN'] },
  )
}
