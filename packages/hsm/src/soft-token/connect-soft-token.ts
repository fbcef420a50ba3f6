import { stat } from 'node:fs/promises'
import { type Clock, DomainError, systemClock } from '@keyhsm/core'
import type { Hsm } from '../hsm.js'
import { hasFileCode, toTokenError } from './durable-files.js'
import { KeyDirectory } from './key-directory.js'
import { login } from './login.js'
import { SoftToken } from './soft-token.js'
import { readTokenHeader, type TokenHeader } from './token-header.js'
import { TokenKeys } from './token-keys.js'

export interface SoftTokenOptions {
  readonly directory: string
  readonly pin: string
  /** When given, the token in the directory must have this label. */
  readonly label?: string
  readonly clock?: Clock
}

/**
 * Connects to a software token made by `initialiseSoftToken`. For development only, and never chosen by itself: the
 * operator names the profile `soft-token`.
 * @throws ERR_SETTINGS when the directory holds no token, another one than `label`, or can be entered by other users;
 * ERR_HSM_LOGIN when the PIN is wrong (tried once, then latched); ERR_HSM_REFUSED when the token is damaged.
 */
export async function connectSoftToken(options: SoftTokenOptions): Promise<Hsm> {
  const { directory, pin, clock = systemClock } = options
  try {
    await checkPrivate(directory)
    const header = await readTokenHeader(directory)
    checkLabel(header, options.label)
    const tokenKey = await login(directory, header, pin)
    const keyDirectory = new KeyDirectory(directory)
    await keyDirectory.sweep(clock.now())
    const proveToken = () => proveSameToken(directory, header, keyDirectory)
    const keys = new TokenKeys(keyDirectory, { serial: header.serial, tokenKey }, proveToken)
    const description = `software token "${header.label}", serial ${header.serial}, not an HSM`
    return new SoftToken(description, keys, () => tokenKey.wipe())
  } catch (error) {
    throw hasFileCode(error, 'ENOENT', 'ENOTDIR') ? noToken(directory, error) : toTokenError(error)
  }
}

/** A wrong or absent token must look unavailable: only on this very token is a missing key really missing. */
async function proveSameToken(
  directory: string,
  header: TokenHeader,
  keys: KeyDirectory,
): Promise<void> {
  const found = await readTokenHeader(directory)
  if (found.serial !== header.serial) {
    throw new DomainError('ERR_HSM_UNAVAILABLE', 'the directory holds another token')
  }
  await keys.ids()
}

async function checkPrivate(directory: string): Promise<void> {
  const { mode } = await stat(directory)
  if ((mode & 0o077) === 0) return
  throw new DomainError('ERR_SETTINGS', `${directory} can be entered by other users`, {
    hints: ['make it accessible to its owner only (mode 0700)'],
  })
}

function checkLabel(header: TokenHeader, label: string | undefined): void {
  if (label === undefined || label === header.label) return
  throw new DomainError('ERR_SETTINGS', `the token is labelled "${header.label}", not "${label}"`)
}

function noToken(directory: string, cause: unknown): DomainError {
  return new DomainError('ERR_SETTINGS', `${directory} holds no software token`, {
    cause,
    hints: ['initialise one, or correct the directory'],
  })
}
