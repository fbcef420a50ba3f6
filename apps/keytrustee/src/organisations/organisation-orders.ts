/** What administrators order about organisations: add, suspend, rename, delete, set their recovery recipient. */
import { kindOfRecipients } from '@keyhsm/client'
import { DomainError, hasCode, invalidInput, newUuid, parseShortName } from '@keyhsm/core'
import { audited } from '../audited.js'
import type { Organisation } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { hashAuthSecret, makeAuthSecret } from './auth-secret.js'
import { changeOrganisation, type OrganisationOrder, readOwn } from './change-organisation.js'

/** @throws ERR_ALREADY_EXISTS when the name is taken. @returns the secret that is shown this once, too */
export async function addOrganisation(
  trustee: Trustee,
  order: OrganisationOrder & { readonly contacts: readonly string[] },
): Promise<{ readonly organisation: Organisation; readonly auth: string }> {
  const auth = makeAuthSecret()
  const organisation = trustee.grants.organisation({
    uuid: newUuid(),
    name: parseShortName(order.name, 'name'),
    state: 'active',
    authHash: await hashAuthSecret(auth),
    contacts: order.contacts,
    createdAt: trustee.clock.now(),
  })
  const { uuid, name } = organisation
  if (await trustee.store.findOrganisation({ name })) throw nameTaken(name)
  const { requestId, actor } = order
  const subjects = [{ organisation: uuid, name }]
  await audited(trustee.audit, { operation: 'org-add', requestId, actor, subjects }, 'done', () =>
    trustee.store.withTransaction((transaction) => transaction.insertOrganisation(organisation)),
  )
  return { organisation, auth }
}

/** Suspends an organisation with all its clients, or lifts that. Acts from their next request on. */
export function setOrganisationState(
  trustee: Trustee,
  order: OrganisationOrder & { readonly state: Organisation['state'] },
): Promise<Organisation> {
  const { state } = order
  return changeOrganisation(trustee, order, {
    operation: 'org-set-state',
    subject: { state },
    change: (before) => ({ ...before, state }),
  })
}

/** Gives an organisation another name; clients and deposits belong to its uuid and notice nothing. */
export async function renameOrganisation(
  trustee: Trustee,
  order: OrganisationOrder & { readonly newName: string },
): Promise<Organisation> {
  const newName = parseShortName(order.newName, 'newName')
  return changeOrganisation(trustee, order, {
    operation: 'org-rename',
    subject: { newName },
    change: (before) => ({ ...before, name: newName }),
  }).catch((error: unknown) => {
    throw hasCode(error, 'ERR_ALREADY_EXISTS') ? nameTaken(newName) : error
  })
}

/**
 * Names the age recipient for which clients that pinned it seal besides, or with none takes it back: what was sealed stays as
 * it is.
 * @throws ERR_INVALID_INPUT for one that clients cannot seal for beside their own.
 */
export async function setRecovery(
  trustee: Trustee,
  order: OrganisationOrder & { readonly recipient: string | undefined },
): Promise<Organisation> {
  const { recipient: recovery } = order
  if (recovery !== undefined && kindOf(recovery) !== 'hybrid')
    throw invalidInput(
      'recipient',
      'must be a post-quantum hybrid age recipient (age1pq1…): clients seal with such keys, and kinds do not mix',
    )
  return changeOrganisation(trustee, order, {
    operation: 'org-set-recovery',
    subject: { recovery: recovery ?? 'none' },
    change: (before) => ({ ...before, recovery }),
  })
}

/**
 * Deletes an organisation that has no deposits (purged ones do not count) and no clients but disabled ones, which go with it.
 * @throws ERR_CONFLICT saying what it still has.
 */
export async function deleteOrganisation(
  trustee: Trustee,
  order: OrganisationOrder,
): Promise<Organisation> {
  const organisation = await readOwn(trustee, order, 'org-delete')
  const { requestId, actor, name } = order
  const { uuid } = organisation
  const subjects = [{ organisation: uuid, name }]
  await audited(
    trustee.audit,
    { operation: 'org-delete', requestId, actor, subjects },
    'done',
    () =>
      trustee.store.withTransaction(async (transaction) => {
        await transaction.lockOrganisation(uuid)
        for (const state of ['active', 'waiting'] as const) {
          const [client] = await transaction.listClients({ organisation: uuid, state, limit: 1 })
          if (client) throw notEmpty(name, `${state} clients`, 'ktadmin client disable CLIENT')
        }
        const { deposits } = await transaction.listDeposits({ organisation: uuid, limit: 1 })
        if (deposits.length > 0) throw notEmpty(name, 'deposits', 'ktadmin deposit purge DEPOSIT')
        await transaction.deleteOrganisation(uuid)
      }),
  )
  return organisation
}

function kindOf(recipient: string): string | undefined {
  try {
    return kindOfRecipients([recipient])
  } catch {
    return undefined
  }
}

function nameTaken(name: string): DomainError {
  return new DomainError('ERR_ALREADY_EXISTS', `there is an organisation ${name} already`)
}

function notEmpty(name: string, what: string, hint: string): DomainError {
  return new DomainError('ERR_CONFLICT', `organisation ${name} still has ${what}`, {
    hints: [hint],
  })
}
