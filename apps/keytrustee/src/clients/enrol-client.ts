/**
 * Enrolment: organisation and auth secret → row → certificate. With the right secret, or in an open organisation, the
 * client is active at once, else it waits for an administrator. Sending the same request again fetches the certificate.
 */
import { DomainError, newUuid, type Uuid } from '@keyhsm/core'
import type { ReplyOf, enrolRoute } from '@keyhsm/protocol'
import { audited, auditRefusal } from '../audited.js'
import type { AttemptLimit } from '../organisations/attempt-limit.js'
import type { Client, Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import {
  type Admission,
  admitEnrolment,
  type Enrolment,
  notAccepted,
  takeUse,
} from './admit-enrolment.js'
import type { ClientAuthority } from './client-authority.js'
import { reenrolClient } from './reenrol-client.js'

export interface EnrolmentDesk {
  readonly authority: ClientAuthority
  readonly attempts: AttemptLimit
}

/**
 * @throws ERR_NOT_AUTHENTICATED with one answer for a wrong or ended secret or code and an unknown, suspended or forged
 * organisation; ERR_BUSY after too many attempts; ERR_NOT_ALLOWED for a disabled client; ERR_ALREADY_EXISTS when the key
 * or the name is enrolled otherwise; ERR_QUOTA when too many wait.
 */
export async function enrolClient(
  trustee: Trustee,
  desk: EnrolmentDesk,
  enrolment: Enrolment,
): Promise<ReplyOf<typeof enrolRoute>> {
  const { request } = enrolment
  const { organisation, client } = await trustee.queue.withKeys(
    [`enrol/${request.keyFingerprint}`],
    () => admitted(trustee, desk, enrolment),
  )
  const { certificate: authority } = desk.authority
  const { uuid, state } = client
  if (state !== 'active')
    return { client: uuid, organisation: organisation.uuid, state: 'waiting', authority }
  const now = trustee.clock.now()
  const certificate = await desk.authority.issue(client, request.publicKeyDer, now)
  const { recovery } = organisation
  return {
    client: uuid,
    organisation: organisation.uuid,
    state,
    certificate,
    authority,
    ...(recovery === undefined ? {} : { recovery }),
  }
}

async function admitted(trustee: Trustee, { attempts }: EnrolmentDesk, enrolment: Enrolment) {
  if (enrolment.request.code !== undefined) return reenrolClient(trustee, attempts, enrolment)
  const admission = await admitEnrolment(trustee, attempts, enrolment)
  const client = await enrolAdmitted(trustee, enrolment, admission)
  return { organisation: admission.organisation, client }
}

async function enrolAdmitted(
  trustee: Trustee,
  enrolment: Enrolment,
  admission: Admission,
): Promise<Client> {
  const { request } = enrolment
  const existing = await trustee.store.findClient({ keyFingerprint: request.keyFingerprint })
  if (!existing) return insertClient(trustee, enrolment, admission)
  await requireSame(trustee, enrolment, { existing, organisation: admission.organisation.uuid })
  if (existing.state === 'disabled')
    throw new DomainError('ERR_NOT_ALLOWED', 'the client is disabled')
  if (existing.state === 'waiting' && admission.automatic)
    return activate(trustee, enrolment, { admission, waiting: existing })
  if (existing.recipientSignature === undefined && request.recipientSignature !== undefined)
    return vouch(trustee, enrolment, existing)
  return existing
}

async function insertClient(
  trustee: Trustee,
  enrolment: Enrolment,
  { organisation, automatic }: Admission,
): Promise<Client> {
  const { request } = enrolment
  const client = trustee.grants.client({
    uuid: newUuid(),
    organisation: organisation.uuid,
    name: request.clientName,
    state: automatic ? 'active' : 'waiting',
    keyFingerprint: request.keyFingerprint,
    identityKey: request.identityKey,
    recipient: request.recipient,
    ...(request.recipientSignature === undefined
      ? {}
      : { recipientSignature: request.recipientSignature }),
    createdAt: trustee.clock.now(),
  })
  if (client.state === 'waiting') await requireRoomToWait(trustee, organisation.uuid)
  await auditedChange(trustee, enrolment, client, async (transaction) => {
    if (automatic) await takeUse(trustee, transaction, organisation)
    await transaction.insertClient(client)
  })
  return client
}

async function activate(
  trustee: Trustee,
  enrolment: Enrolment,
  o: { readonly admission: Admission; readonly waiting: Client },
): Promise<Client> {
  const client = trustee.grants.client({ ...o.waiting, state: 'active' })
  await auditedChange(trustee, enrolment, client, async (transaction) => {
    await takeUse(trustee, transaction, o.admission.organisation)
    await transaction.updateClient(client)
  })
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
  change: (transaction: Transaction) => Promise<void>,
): Promise<unknown> {
  const { uuid, organisation, name, keyFingerprint, state } = client
  const subjects = [{ client: uuid, organisation, name, keyFingerprint, state, peer }]
  const operation = { operation: 'enrol', requestId, actor: uuid, subjects }
  return audited(trustee.audit, operation, 'done', () => trustee.store.withTransaction(change))
}

/** The same key may come again, with the same companions: a request that somebody overheard must change nothing. */
async function requireSame(
  { grants, audit }: Trustee,
  { request, requestId, peer }: Enrolment,
  o: { readonly existing: Client; readonly organisation: Uuid },
): Promise<void> {
  const { existing, organisation } = o
  if (!grants.believesClient(existing)) {
    const subjects = [{ client: existing.uuid }]
    const operation = { operation: 'enrol', requestId, actor: peer, subjects }
    await auditRefusal(audit, operation, 'integrity', 'grant')
    throw notAccepted()
  }
  const same =
    existing.organisation === organisation &&
    existing.name === request.clientName &&
    existing.identityKey === request.identityKey &&
    existing.recipient === request.recipient
  if (!same)
    throw new DomainError('ERR_ALREADY_EXISTS', 'this key is enrolled already with other data')
}

async function requireRoomToWait({ store, limits }: Trustee, organisation: Uuid): Promise<void> {
  const most = limits.waitingClientsPerOrganisation
  const waiting = await store.listClients({ organisation, state: 'waiting', limit: most })
  if (waiting.length >= most)
    throw new DomainError('ERR_QUOTA', 'too many clients wait for approval already')
}
