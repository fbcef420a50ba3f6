import type { DeviceMemory } from '@keyhsm/hsm'
import { CKA, loggedInStates } from '../../constants.js'
import type { CryptokiHandle, TokenInfo } from '../../cryptoki.js'
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

/** Objects of one key, in the order in which they get the new label: the last one's is what counts as the key's. */
export interface RenameArgs {
  readonly objects: readonly CryptokiHandle[]
  readonly label: string
}

/** Writes CKA_LABEL of each object. */
export function renameObjects(job: JobSession, { objects, label }: RenameArgs): true {
  const { cryptoki, session } = job
  const template = [{ type: CKA.label, value: label }]
  for (const object of objects) ask(cryptoki, 'C_SetAttributeValue', session, object, template)
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
export function touchToken(job: JobSession): DeviceMemory | undefined {
  const { cryptoki, session, slot, profile } = job
  ensureLoggedIn(job)
  const info = ask(cryptoki, 'C_GetTokenInfo', slot)
  ask(cryptoki, 'C_GenerateRandom', session, Buffer.alloc(8))
  return profile.tellsMemory ? readMemory(info) : undefined
}

/** CK_UNAVAILABLE_INFORMATION in 64 and in 32 bits. */
const unavailable: readonly bigint[] = [0xffff_ffff_ffff_ffffn, 0xffff_ffffn]

/** The scarcer of the two kinds of memory; where a device keeps both in one, they are equal. */
function readMemory(info: TokenInfo): DeviceMemory | undefined {
  const pairs = [
    [info.totalPrivateMemory, info.freePrivateMemory],
    [info.totalPublicMemory, info.freePublicMemory],
  ] as const
  const known = pairs.flatMap(([total, free]) =>
    total === undefined ||
    free === undefined ||
    total < 2n ||
    unavailable.includes(total) ||
    free > total
      ? []
      : [{ totalBytes: Number(total), freeBytes: Number(free) }],
  )
  const share = ({ totalBytes, freeBytes }: DeviceMemory) => freeBytes / totalBytes
  return known.sort((one, other) => share(one) - share(other))[0]
}
