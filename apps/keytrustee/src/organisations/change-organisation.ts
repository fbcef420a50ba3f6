/** The frame of every change of an organisation: read, verified and written in one transaction, audited under its author. */
import { DomainError, parseShortName, type Uuid } from '@keyhsm/core'
import { audited, auditRefusal, type Subject } from '../audited.js'
import type { OrganisationColumns } from '../grants.js'
import type { Organisation, Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'

export interface Order {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
}

export interface OrganisationOrder extends Order {
  /** The organisation's. */
  readonly name: string
}

/** @throws ERR_NOT_FOUND */
export async function readOrganisation(
  { store }: Pick<Trustee, 'store'>,
  name: string,
): Promise<Organisation> {
  const organisation = await store.findOrganisation({ name: parseShortName(name, 'organisation') })
  if (!organisation) throw new DomainError('ERR_NOT_FOUND', `there is no organisation ${name}`)
  return organisation
}

/** As {@link readOrganisation}, for a change. @throws ERR_INTEGRITY, audited, for a row that this server did not write. */
export async function readOwn(
  trustee: Trustee,
  { requestId, actor, name }: OrganisationOrder,
  operation: string,
): Promise<Organisation> {
  const organisation = await readOrganisation(trustee, name)
  if (trustee.grants.believesOrganisation(organisation)) return organisation
  const subjects = [{ organisation: organisation.uuid, name }]
  await auditRefusal(trustee.audit, { operation, requestId, actor, subjects }, 'integrity', 'grant')
  throw new DomainError('ERR_INTEGRITY', 'the organisation’s row was not written by this server')
}

export interface OrganisationChange {
  /** Its name in the audit. */
  readonly operation: string
  /** What the audit says besides uuid and name. */
  readonly subject?: Subject
  /** The row as it shall be, from the row as it is at that moment. */
  readonly change: (before: Organisation) => OrganisationColumns
}

/**
 * Changes a row under its lock: enrolments that count uses meanwhile are neither lost nor given back.
 * @throws ERR_NOT_FOUND, ERR_INTEGRITY; ERR_ALREADY_EXISTS when a new name is taken.
 */
export async function changeOrganisation(
  trustee: Trustee,
  order: OrganisationOrder,
  { operation, subject = {}, change }: OrganisationChange,
): Promise<Organisation> {
  const { uuid, name } = await readOwn(trustee, order, operation)
  const { requestId, actor } = order
  const subjects = [{ organisation: uuid, name, ...subject }]
  return audited(trustee.audit, { operation, requestId, actor, subjects }, 'done', () =>
    trustee.store.withTransaction(async (transaction) => {
      const before = await lockOwn(trustee, transaction, uuid)
      const after = trustee.grants.organisation(change(before))
      await transaction.updateOrganisation(after)
      return after
    }),
  )
}

/** The row as it is now; nobody else changes it until the transaction ends. @throws ERR_NOT_FOUND, ERR_INTEGRITY */
export async function lockOwn(
  { grants }: Pick<Trustee, 'grants'>,
  transaction: Transaction,
  uuid: Uuid,
): Promise<Organisation> {
  await transaction.lockOrganisation(uuid)
  const row = await transaction.findOrganisation({ uuid })
  if (!row) throw new DomainError('ERR_NOT_FOUND', 'the organisation is not there any more')
  if (grants.believesOrganisation(row)) return row
  throw new DomainError('ERR_INTEGRITY', 'the organisation’s row was not written by this server')
}
