/**
 * Loads the library, initialises it once for the process, finds the token and logs in on the anchor session, which is
 * never used for anything else: closing the last session, or logging out on any, would log out every thread.
 */
import { DomainError } from '@keyhsm/core'
import { CKF } from '../constants.js'
import type { Cryptoki, CryptokiHandle } from '../cryptoki.js'
import type { StartMessage, TokenFacts } from '../messages.js'
import type { Pkcs11Profile } from '../profile.js'
import {
  alreadyInitialised,
  alreadyLoggedIn,
  CryptokiError,
  classifyFailure,
  failureToError,
} from '../return-codes.js'
import { ask } from './ask.js'
import { unlessBusy } from './busy-device.js'
import { loadCryptoki } from './load-cryptoki.js'
import { type ChosenSlot, chooseSlot } from './slot-choice.js'

/** An initialised library with a login. */
export interface StartedLibrary {
  readonly cryptoki: Cryptoki
  readonly slot: CryptokiHandle
  readonly token: TokenFacts
}

/**
 * Starts the library of `start`. `onLogin` is called right before the one C_Login.
 * @throws ERR_SETTINGS, ERR_HSM_NOT_SUPPORTED, ERR_HSM_UNAVAILABLE before the login; ERR_HSM_LOGIN when it was refused.
 */
export async function startLibrary(
  start: StartMessage,
  onLogin: () => void,
): Promise<StartedLibrary> {
  const cryptoki = await loadCryptoki(start.library)
  const { profile } = start
  return await translated(profile, async () => {
    initialise(cryptoki, start)
    const chosen = chooseSlot(cryptoki, start.token, start.library)
    const flags = CKF.serialSession | CKF.rwSession
    const open = () => ask(cryptoki, 'C_OpenSession', chosen.slot, flags)
    const anchor = await unlessBusy(profile, open)
    ensureNotLocked(chosen)
    onLogin()
    login(cryptoki, anchor, start)
    return { cryptoki, slot: chosen.slot, token: chosen.token }
  })
}

function initialise(cryptoki: Cryptoki, { libraryParameters, profile }: StartMessage): void {
  // Without the flag SoftHSM turns its mutexes off, and pkcs11js passes no flag of its own.
  const options = { flags: CKF.osLockingOk, ...(libraryParameters ? { libraryParameters } : {}) }
  try {
    unless(alreadyInitialised, () => ask(cryptoki, 'C_Initialize', options))
  } catch (error) {
    const isRefusal =
      error instanceof CryptokiError &&
      classifyFailure(error.failure, profile.returnCodes) === 'refused'
    throw isRefusal && libraryParameters ? badParameters(error) : error
  }
}

function badParameters(cause: CryptokiError): DomainError {
  const { name } = cause.failure
  return new DomainError('ERR_SETTINGS', `the PKCS#11 library refused its parameters (${name})`, {
    faults: [{ field: 'library.parameters', rule: 'must be what the library takes at its start' }],
    hints: [
      'correct library-parameters; a path that they name must exist and belong to the user of Key HSM',
    ],
    cause,
  })
}

/** A locked PIN is not tried: it cannot succeed, and the attempt may be counted. */
function ensureNotLocked({ flags, token }: ChosenSlot): void {
  if ((flags & CKF.userPinLocked) === 0) return
  throw new DomainError('ERR_HSM_LOGIN', `the PIN of token "${token.label}" is locked`, {
    hints: ['unlock it with the tools of the HSM'],
  })
}

function login(cryptoki: Cryptoki, anchor: CryptokiHandle, { profile, pin }: StartMessage): void {
  const text = pin.toString('utf8')
  if (profile.login.form === 'user:password' && !text.includes(':')) {
    throw new DomainError('ERR_SETTINGS', 'the PIN must have the form user:password', {
      faults: [{ field: 'pin', rule: 'must have the form user:password' }],
    })
  }
  unless(alreadyLoggedIn, () => ask(cryptoki, 'C_Login', anchor, profile.login.userType, text))
}

function unless(code: number, call: () => void): void {
  try {
    call()
  } catch (error) {
    if (!(error instanceof CryptokiError) || error.failure.code !== code) throw error
  }
}

async function translated<Result>(
  profile: Pkcs11Profile,
  run: () => Promise<Result>,
): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof CryptokiError)) throw error
    const { returnCodes } = profile
    throw failureToError(error.failure, classifyFailure(error.failure, returnCodes), returnCodes)
  }
}
