/**
 * Enrolment: organisation and auth secret → row → certificate. With the right secret the client is active at once,
 * without one it waits for an administrator. Sending the same request again fetches the certificate.
 */
import { DomainError, newUuid, type Uuid } from '@keyhsm/core'
import type { ReplyOf, enrolRoute } from '@keyhsm/protocol'
import { audited, auditRefusal } from '../audited.js'
import type { AttemptLimit } from '../organisations/attempt-limit.js'
import { verifyAuthSecret } from '../organisations/auth-secret.js'
import type { Client, Organisation } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { ClientAuthority } from './client-authority.js'
import type { EnrolmentRequest } from './enrolment-request.js'

export interface Enrolment {
  readonly requestId: Uuid
  readonly peer: string
  readonly request: EnrolmentRequest
}

export interface EnrolmentDesk {
  readonly authority: ClientAuthority
  readonly attempts: AttemptLimit
}

/**
 * @throws ERR_NOT_AUTHENTICATED with one answer for a wrong secret and an unknown, suspended or forged organisation;
 * ERR_BUSY after too many attempts; ERR_NOT_ALLOWED for a disabled client; ERR_ALREADY_EXISTS when the key or the name
 * is enrolled otherwise; ERR_QUOTA when too many wait.
 */
export async function enrolClient(
  trustee: Trustee,
  desk: EnrolmentDesk,
  enrolment: Enrolment,
): Promise<ReplyOf<typeof enrolRoute>> {
  const { request } = enrolment
  const organisation = await admit(trustee, desk, enrolment)
  const client = await trustee.queue.withKeys([`enrol/${request.keyFingerprint}`], () =>
    enrolAdmitted(trustee, enrolment, organisation),
  )
  const { certificate: authority } = desk.authority
  const { uuid, state } = client
  if (state !== 'active')
    return { client: uuid, organisation: organisation.uuid, state: 'waiting', authority }
  const now = trustee.clock.now()
  const certificate = await desk.authority.issue(client, request.publicKeyDer, now)
  return { client: uuid, organisation: organisation.uuid, state, certificate, authority }
}

/** The organisation, if it is one and the secret given is its own. Unknown ones cost the same work. */
async function admit(
  trustee: Trustee,
  { attempts }: EnrolmentDesk,
  { request, requestId, peer }: Enrolment,
): Promise<Organisation> {
  const { organisationName: name, auth } = request
  const organisation = await findUsable(trustee, name, requestId)
  const admitted = await attempts.attempt({ peer, organisation: name }, async () => {
    if (auth === undefined) return organisation !== undefined
    return (await verifyAuthSecret(auth, organisation?.authHash)) && organisation !== undefined
  })
  if (admitted && organisation) return organisation
  const subjects = [{ organisation: name, peer }]
  const operation = { operation: 'enrol', requestId, actor: peer, subjects }
  await auditRefusal(trustee.audit, operation, 'refused', 'auth')
  throw new DomainError('ERR_NOT_AUTHENTICATED', 'organisation or auth secret is not accepted')
}

async function findUsable(
  { store, grants, audit }: Trustee,
  name: string,
  requestId: Uuid,
): Promise<Organisation | undefined> {
  const organisation = await store.findOrganisation({ name })
  if (organisation && !grants.believesOrganisation(organisation)) {
    const subjects = [{ organisation: organisation.uuid }]
    const operation = { operation: 'enrol', requestId, actor: 'anyone', subjects }
    await auditRefusal(audit, operation, 'integrity', 'grant')
    return undefined
  }
  return organisation?.state === 'active' ? organisation : undefined
}

async function enrolAdmitted(
  trustee: Trustee,
  enrolment: Enrolment,
  organisation: Organisation,
): Promise<Client> {
  const { request } = enrolment
  const existing = await trustee.store.findClient({ keyFingerprint: request.keyFingerprint })
  if (!existing) return insertClient(trustee, enrolment, organisation)
  await requireSame(trustee, enrolment, { existing, organisation })
  if (existing.state === 'disabled')
    throw new DomainError('ERR_NOT_ALLOWED', 'the client is disabled')
  if (existing.state === 'waiting' && request.auth !== undefined)
    return activate(trustee, enrolment, existing)
  if (existing.recipientSignature === undefined && request.recipientSignature !== undefined)
    return vouch(trustee, enrolment, existing)
  return existing
}

async function insertClient(
  trustee: Trustee,
  enrolment: Enrolment,
  organisation: Organisation,
): Promise<Client> {
  const { request } = enrolment
  const client = trustee.grants.client({
    uuid: newUuid(),
    organisation: organisation.uuid,
    name: request.clientName,
    state: request.auth === undefined ? 'waiting' : 'active',
    keyFingerprint: request.keyFingerprint,
    identityKey: request.identityKey,
    recipient: request.recipient,
    ...(request.recipientSignature === undefined
      ? {}
      : { recipientSignature: request.recipientSignature }),
    createdAt: trustee.clock.now(),
  })
  if (client.state === 'waiting') await requireRoomToWait(trustee, organisation.uuid)
  await auditedChange(trustee, enrolment, client, (transaction) => transaction.insertClient(client))
  return client
}

async function activate(trustee: Trustee, enrolment: Enrolment, waiting: Client): Promise<Client> {
  const client = trustee.grants.client({ ...waiting, state: 'active' })
  await auditedChange(trustee, enrolment, client, (transaction) => transaction.updateClient(client))
  return client
}

/** A client of an earlier release vouches for its recipient when it renews its certificate. */
async function vouch(trustee: Trustee, enrolment: Enrolment, existing: Client): Promise<Client> {
  const { recipientSignature } = enrolment.request
  const client = trustee.grants.client({ ...existing, recipientSignature })
  await auditedChange(trustee, enrolment, client, (transaction) => transaction.updateClient(client))
  return client
}

function auditedChange(
  trustee: Trustee,
  { requestId, peer }: Enrolment,
  client: Client,
  change: Parameters<Trustee['store']['withTransaction']>[0],
): Promise<unknown> {
  const { uuid, organisation, name, keyFingerprint, state } = client
  const subjects = [{ client: uuid, organisation, name, keyFingerprint, state, peer }]
  return audited(
    trustee.audit,
    { operation: 'enrol', requestId, actor: uuid, subjects },
    'done',
    () => trustee.store.withTransaction(change),
  )
}

/** The same key may come again, with the same companions: a request that somebody overheard must change nothing. */
async function requireSame(
  { grants, audit }: Trustee,
  { request, requestId, peer }: Enrolment,
  o: { readonly existing: Client; readonly organisation: Organisation },
): Promise<void> {
  const { existing, organisation } = o
  if (!grants.believesClient(existing)) {
    const operation = {
      operation: 'enrol',
      requestId,
      actor: peer,
      subjects: [{ client: existing.uuid }],
    }
    await auditRefusal(audit, operation, 'integrity', 'grant')
    throw new DomainError('ERR_NOT_AUTHENTICATED', 'organisation or auth secret is not accepted')
  }
  const same =
    existing.organisation === organisation.uuid &&
    existing.name === request.clientName &&
    existing.identityKey === request.identityKey &&
    existing.recipient === request.recipient
  if (!same)
    throw new DomainError('ERR_ALREADY_EXISTS', 'this key is enrolled already with other data')
}

async function requireRoomToWait({ store, limits }: Trustee, organisation: Uuid): Promise<void> {
  const waiting = await store.listClients({ organisation, state: 'waiting' })
  if (waiting.length >= limits.waitingClientsPerOrganisation)
    throw new DomainError('ERR_QUOTA', 'too many clients wait for approval already')
}
