import type { HsmKeyId } from '@keyhsm/core'
import { CKA, CKF, CKO } from '../../constants.js'
import type { Attribute, CryptokiHandle } from '../../cryptoki.js'
import { ask } from '../ask.js'
import type { JobSession } from './job-session.js'
import { ensureLoggedIn } from './object-state.js'
import { readAttribute, toNumber } from './read-attributes.js'

/** The token objects of one id, by class. More than one in a list means that two keys have this id. */
export interface KeyHandles {
  readonly privateKeys: readonly CryptokiHandle[]
  readonly publicKeys: readonly CryptokiHandle[]
  readonly secretKeys: readonly CryptokiHandle[]
}

/** `freshSession`: look through a session opened for this, because a session can be wrong about what is there. */
export interface FindKeyArgs {
  readonly id: HsmKeyId
  readonly freshSession: boolean
}

/** Searches the token for the objects with this id: linear in the token's size on most devices. */
export function findKeyObjects(job: JobSession, { id, freshSession }: FindKeyArgs): KeyHandles {
  const template = [tokenObject, { type: CKA.id, value: Buffer.from(id, 'hex') }]
  if (!freshSession) return sortByClass(job, search(job, template))
  return withFreshSession(job, (fresh) => sortByClass(fresh, search(fresh, template)))
}

/** Every token object there is, of whatever class; undefined when the directory is known to hold them all already. */
export function scanObjects(
  job: JobSession,
  { unlessKnown }: ScanArgs,
): CryptokiHandle[] | undefined {
  if (unlessKnown && !job.changedOutside) return undefined
  return search(job, [tokenObject])
}

export interface ScanArgs {
  readonly unlessKnown: boolean
}

const tokenObject: Attribute = { type: CKA.token, value: true }

function search(job: JobSession, template: readonly Attribute[]): CryptokiHandle[] {
  const { cryptoki, session, profile } = job
  ask(cryptoki, 'C_FindObjectsInit', session, template)
  const found: CryptokiHandle[] = []
  try {
    for (;;) {
      const batch = ask(cryptoki, 'C_FindObjects', session, profile.findMax)
      found.push(...batch)
      if (batch.length < profile.findMax) break
    }
  } finally {
    // A search left open makes the next one fail with CKR_OPERATION_ACTIVE.
    ask(cryptoki, 'C_FindObjectsFinal', session)
  }
  // Without a login private keys are invisible, which must not look like keys that are gone.
  ensureLoggedIn(job)
  return found
}

function sortByClass(job: JobSession, objects: readonly CryptokiHandle[]): KeyHandles {
  const classed = objects.map((object) => ({ object, class: classOf(job, object) }))
  const ofClass = (wanted: number) =>
    classed.filter((entry) => entry.class === wanted).map((entry) => entry.object)
  return {
    privateKeys: ofClass(CKO.privateKey),
    publicKeys: ofClass(CKO.publicKey),
    secretKeys: ofClass(CKO.secretKey),
  }
}

function classOf(job: JobSession, object: CryptokiHandle): number | undefined {
  const value = readAttribute(job, object, CKA.class)
  return value && toNumber(value)
}

function withFreshSession<Result>(job: JobSession, use: (fresh: JobSession) => Result): Result {
  const flags = CKF.serialSession | CKF.rwSession
  const session = ask(job.cryptoki, 'C_OpenSession', job.slot, flags)
  try {
    return use({ ...job, session })
  } finally {
    ask(job.cryptoki, 'C_CloseSession', session)
  }
}
