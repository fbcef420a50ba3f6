/**
 * Who may enrol: what a request shows, a secret or nothing, against what the organisation asks for. Whatever is wrong,
 * the caller gets one answer and it costs the same work; the audit says what it was.
 */
import { asUuid, DomainError, type Uuid } from '@keyhsm/core'
import { auditRefusal } from '../audited.js'
import type { AttemptLimit } from '../organisations/attempt-limit.js'
import { verifyAuthSecret } from '../organisations/auth-secret.js'
import { lockOwn } from '../organisations/change-organisation.js'
import type { Client, Organisation, Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { EnrolmentRequest } from './enrolment-request.js'

export interface Enrolment {
  readonly requestId: Uuid
  readonly peer: string
  readonly request: EnrolmentRequest
}

export interface Admission {
  readonly organisation: Organisation
  /** Active at once; else it waits for an administrator. */
  readonly automatic: boolean
}

/** Why automatic enrolment has ended. */
type End = 'auth-expired' | 'auth-used-up'

/**
 * @throws ERR_NOT_AUTHENTICATED for a wrong or ended secret and an unknown, suspended or forged organisation alike;
 * ERR_BUSY after too many attempts.
 */
export async function admitEnrolment(
  trustee: Trustee,
  attempts: AttemptLimit,
  enrolment: Enrolment,
): Promise<Admission> {
  const { request, peer, requestId } = enrolment
  const { auth, organisationRef } = request
  const organisation = await findUsable(trustee, organisationRef, requestId)
  const enrolled = await isEnrolled(trustee, request, organisation)
  const judged: { fault: End | 'auth' | undefined } = { fault: 'auth' }
  await attempts.attempt({ peer, organisation: organisationRef }, async () => {
    const right = auth === undefined || (await verifyAuthSecret(auth, organisation?.authHash))
    // Who has its certificate already may repeat its request after the secret's end.
    const free = auth === undefined || enrolled
    if (right && organisation)
      judged.fault = free ? undefined : endOf(organisation, trustee.clock.now())
    return judged.fault === undefined
  })
  if (judged.fault === undefined && organisation)
    return { organisation, automatic: auth !== undefined || isOpen(trustee, organisation) }
  const subjects = [{ organisation: organisationRef, peer }]
  const operation = { operation: 'enrol', requestId, actor: peer, subjects }
  await auditRefusal(trustee.audit, operation, 'refused', judged.fault ?? 'auth')
  throw notAccepted()
}

export function notAccepted(): DomainError {
  return new DomainError('ERR_NOT_AUTHENTICATED', 'organisation or auth secret is not accepted')
}

/**
 * Takes one use of the organisation's automatic enrolment, in the transaction that stores the client: of two that race
 * for the last use exactly one enrols.
 * @throws ERR_NOT_AUTHENTICATED when it has ended, or was changed, since the request was admitted.
 */
export async function takeUse(
  trustee: Trustee,
  transaction: Transaction,
  admitted: Organisation,
): Promise<void> {
  const row = await lockOwn(trustee, transaction, admitted.uuid)
  const same = row.authHash === admitted.authHash && row.open === admitted.open
  if (!same || row.state !== 'active' || endOf(row, trustee.clock.now()) !== undefined)
    throw notAccepted()
  const { authUsesLeft } = row
  if (authUsesLeft === undefined) return
  await transaction.updateOrganisation(
    trustee.grants.organisation({ ...row, authUsesLeft: authUsesLeft - 1 }),
  )
}

/** The organisation by uuid or name, if it is active and its row is ours; a forged row is audited. */
export async function findUsable(
  { store, grants, audit }: Trustee,
  ref: string,
  requestId: Uuid,
): Promise<Organisation | undefined> {
  const uuid = asUuid(ref)
  const byUuid = uuid && (await store.findOrganisation({ uuid }))
  const organisation = byUuid ?? (await store.findOrganisation({ name: ref }))
  if (organisation && !grants.believesOrganisation(organisation)) {
    const subjects = [{ organisation: organisation.uuid }]
    const operation = { operation: 'enrol', requestId, actor: 'anyone', subjects }
    await auditRefusal(audit, operation, 'integrity', 'grant')
    return undefined
  }
  return organisation?.state === 'active' ? organisation : undefined
}

async function isEnrolled(
  { store, grants }: Trustee,
  { keyFingerprint }: EnrolmentRequest,
  organisation: Organisation | undefined,
): Promise<boolean> {
  const client: Client | undefined = await store.findClient({ keyFingerprint })
  return (
    client?.state === 'active' &&
    client.organisation === organisation?.uuid &&
    grants.believesClient(client)
  )
}

function isOpen({ clock }: Trustee, organisation: Organisation): boolean {
  return organisation.open === true && endOf(organisation, clock.now()) === undefined
}

function endOf({ authExpiresAt, authUsesLeft }: Organisation, now: Date): End | undefined {
  if (authExpiresAt !== undefined && authExpiresAt <= now) return 'auth-expired'
  return authUsesLeft === 0 ? 'auth-used-up' : undefined
}
