/**
 * A client whose keys are lost comes back under its uuid, with new keys: an administrator orders it, which ends the old keys
 * at once, and hands the client a one-time code that fits this client alone. Its deposits stay its own; what was sealed
 * for the lost keys still needs another reader, or the organisation's recovery identity.
 */
import { DomainError, type Fingerprint } from '@keyhsm/core'
import { audited, auditRefusal } from '../audited.js'
import type { AttemptLimit } from '../organisations/attempt-limit.js'
import { hashAuthSecret, makeAuthSecret, verifyAuthSecret } from '../organisations/auth-secret.js'
import type { Client, Organisation } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { type Enrolment, findUsable, notAccepted } from './admit-enrolment.js'
import { changeClient } from './change-client.js'
import { type ClientRefOrder, readOwnClient } from './change-client-state.js'

/**
 * Makes the code; the client's keys and certificates are refused from its next request on. Ordered again, another code
 * replaces the first; `enable` takes the order back and accepts the old keys again.
 * @throws ERR_NOT_FOUND, ERR_INTEGRITY; ERR_CONFLICT for a client that waits: it has nothing to come back to.
 */
export async function orderReenrolment(
  trustee: Trustee,
  order: ClientRefOrder & { readonly expiresInMs: number },
): Promise<{ readonly client: Client; readonly code: string; readonly until: Date }> {
  const operation = 'client-reenrol'
  const found = await readOwnClient(trustee, order, operation)
  if (found.state === 'waiting')
    throw new DomainError('ERR_CONFLICT', 'the client waits for its first approval')
  const code = makeAuthSecret()
  const hash = await hashAuthSecret(code)
  const until = new Date(trustee.clock.now().getTime() + order.expiresInMs)
  const { requestId, actor } = order
  const { uuid, organisation, name, keyFingerprint } = found
  const subject = { client: uuid, organisation, name, keyFingerprint, until: until.toISOString() }
  const client = await audited(
    trustee.audit,
    { operation, requestId, actor, subjects: [subject] },
    'done',
    () =>
      changeClient(trustee, found, (before) => ({
        ...before,
        state: 'disabled',
        reenrolment: { hash, until },
      })),
  )
  return { client, code, until }
}

/**
 * Gives the client that the code fits the keys of this request; repeated with the same keys it only fetches the certificate.
 * @throws ERR_NOT_AUTHENTICATED for a wrong, used or ended code, and whatever it is for; ERR_ALREADY_EXISTS for a key in use.
 */
export async function reenrolClient(
  trustee: Trustee,
  attempts: AttemptLimit,
  enrolment: Enrolment,
): Promise<{ readonly organisation: Organisation; readonly client: Client }> {
  const { request, peer, requestId } = enrolment
  const { organisationRef, clientName: name, code = '' } = request
  const organisation = await findUsable(trustee, organisationRef, requestId)
  const client = organisation && (await findNamed(trustee, organisation, name))
  if (organisation && client && isRepetition(client, enrolment)) return { organisation, client }
  const right = await attempts.attempt({ peer, organisation: organisationRef }, async () => {
    const fits = await verifyAuthSecret(code, client?.reenrolment?.hash)
    return fits && client !== undefined && isOpenAt(client, trustee.clock.now())
  })
  if (right && organisation && client)
    return { organisation, client: await giveKeys(trustee, enrolment, client) }
  const subjects = [{ organisation: organisationRef, name, peer }]
  const operation = { operation: 'reenrol', requestId, actor: peer, subjects }
  await auditRefusal(trustee.audit, operation, 'refused', 'code')
  throw notAccepted()
}

/** The client of that name, when its row is ours. */
async function findNamed(
  { store, grants }: Trustee,
  { uuid: organisation }: Organisation,
  name: Enrolment['request']['clientName'],
): Promise<Client | undefined> {
  const client = await store.findClient({ organisation, name })
  return client && grants.believesClient(client) ? client : undefined
}

/** The answer to the request that used the code was lost: the same keys ask again. */
function isRepetition(client: Client, { request }: Enrolment): boolean {
  return (
    client.state === 'active' &&
    client.keyFingerprint === request.keyFingerprint &&
    client.identityKey === request.identityKey &&
    client.recipient === request.recipient
  )
}

function isOpenAt({ state, reenrolment }: Client, now: Date): boolean {
  return state === 'disabled' && reenrolment !== undefined && now < reenrolment.until
}

async function giveKeys(trustee: Trustee, enrolment: Enrolment, verified: Client): Promise<Client> {
  const { request, requestId, peer } = enrolment
  const { keyFingerprint, identityKey, recipient, recipientSignature } = request
  await requireNewKey(trustee, keyFingerprint)
  const { uuid, organisation, name, keyFingerprint: formerKey } = verified
  const subjects = [{ client: uuid, organisation, name, formerKey, keyFingerprint, peer }]
  const operation = { operation: 'reenrol', requestId, actor: uuid, subjects }
  return audited(trustee.audit, operation, 'done', () =>
    changeClient(trustee, verified, ({ reenrolment, ...before }) => {
      // Of two that come with one code, the second finds it used.
      if (reenrolment?.hash !== verified.reenrolment?.hash) throw notAccepted()
      const keys = { keyFingerprint, identityKey, recipient, recipientSignature }
      return { ...before, ...keys, state: 'active' }
    }),
  )
}

/** The lost key may be in other hands: it never comes back by a code. */
async function requireNewKey({ store }: Trustee, keyFingerprint: Fingerprint): Promise<void> {
  if (await store.findClient({ keyFingerprint }))
    throw new DomainError('ERR_ALREADY_EXISTS', 'this key was enrolled before: make new keys')
}
