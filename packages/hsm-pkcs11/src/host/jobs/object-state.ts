import { CKA, loggedInStates } from '../../constants.js'
import type { CryptokiHandle } from '../../cryptoki.js'
import { CryptokiError, userNotLoggedIn } from '../../return-codes.js'
import { ask } from '../ask.js'
import type { JobSession } from './job-session.js'
import { readAttribute } from './read-attributes.js'

/** Touches an object; throws `key-missing` when it is gone. */
export function proveObject(job: JobSession, object: CryptokiHandle): true {
  readAttribute(job, object, CKA.class)
  return true
}

/** Destroys one object; throws `key-missing` when it is gone already. */
export function destroyObject({ cryptoki, session }: JobSession, object: CryptokiHandle): true {
  ask(cryptoki, 'C_DestroyObject', session, object)
  return true
}

/** @throws CryptokiError CKR_USER_NOT_LOGGED_IN when the session's login is lost */
export function ensureLoggedIn({ cryptoki, session }: JobSession): void {
  const { state } = ask(cryptoki, 'C_GetSessionInfo', session)
  if (loggedInStates.includes(state)) return
  const failure = {
    code: userNotLoggedIn,
    name: 'CKR_USER_NOT_LOGGED_IN',
    call: 'C_GetSessionInfo',
  }
  throw new CryptokiError(failure)
}

/** Asks the token for a few random bytes: the cheapest call that a network device cannot answer from memory. */
export function touchToken(job: JobSession): true {
  const { cryptoki, session, slot } = job
  ensureLoggedIn(job)
  ask(cryptoki, 'C_GetTokenInfo', slot)
  ask(cryptoki, 'C_GenerateRandom', session, Buffer.alloc(8))
  return true
}
