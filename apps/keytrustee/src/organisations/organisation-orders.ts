/** What administrators order about organisations: add, list, new auth secret, suspend. */
import { DomainError, newUuid, parseShortName, type Uuid } from '@keyhsm/core'
import { audited, auditRefusal } from '../audited.js'
import type { Organisation, Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { hashAuthSecret, makeAuthSecret } from './auth-secret.js'

export interface Order {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
}

/** An organisation and the secret that is shown this once. */
export interface WithAuth {
  readonly organisation: Organisation
  readonly auth: string | undefined
}

/** Shortest secret that an administrator may choose; made ones have 24 characters. */
const minAuthCharacters = 12

/** @throws ERR_ALREADY_EXISTS when the name is taken. */
export async function addOrganisation(
  trustee: Trustee,
  order: Order & { readonly name: string; readonly contacts: readonly string[] },
): Promise<WithAuth & { readonly auth: string }> {
  const auth = makeAuthSecret()
  const organisation = trustee.grants.organisation({
    uuid: newUuid(),
    name: parseShortName(order.name, 'name'),
    state: 'active',
    authHash: await hashAuthSecret(auth),
    contacts: order.contacts,
    createdAt: trustee.clock.now(),
  })
  if (await trustee.store.findOrganisation({ name: organisation.name }))
    throw new DomainError('ERR_ALREADY_EXISTS', `there is an organisation ${order.name} already`)
  await write(trustee, order, { operation: 'org-add', organisation }, (transaction) =>
    transaction.insertOrganisation(organisation),
  )
  return { organisation, auth }
}

/**
 * Replaces the auth secret: with a made one when `auth` is absent, with none (approval only) when it is empty.
 * @throws ERR_NOT_FOUND, ERR_INTEGRITY; ERR_INVALID_INPUT for a short secret.
 */
export async function setAuth(
  trustee: Trustee,
  order: Order & { readonly name: string; readonly auth?: string },
): Promise<WithAuth> {
  const auth = order.auth ?? makeAuthSecret()
  if (auth !== '' && auth.length < minAuthCharacters)
    throw new DomainError(
      'ERR_INVALID_INPUT',
      `auth must be empty or at least ${minAuthCharacters} characters`,
      {
        faults: [
          { field: 'auth', rule: `must be empty or at least ${minAuthCharacters} characters` },
        ],
      },
    )
  const before = await readOwn(trustee, order, 'org-set-auth')
  const authHash = auth === '' ? undefined : await hashAuthSecret(auth)
  const organisation = trustee.grants.organisation({ ...before, authHash })
  await write(trustee, order, { operation: 'org-set-auth', organisation }, (transaction) =>
    transaction.updateOrganisation(organisation),
  )
  return { organisation, auth: order.auth === undefined ? auth : undefined }
}

/** Suspends an organisation with all its clients, or lifts that. Acts from their next request on. */
export async function setOrganisationState(
  trustee: Trustee,
  order: Order & { readonly name: string; readonly state: Organisation['state'] },
): Promise<Organisation> {
  const before = await readOwn(trustee, order, 'org-set-state')
  if (before.state === order.state) return before
  const organisation = trustee.grants.organisation({ ...before, state: order.state })
  await write(trustee, order, { operation: 'org-set-state', organisation }, (transaction) =>
    transaction.updateOrganisation(organisation),
  )
  return organisation
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

async function readOwn(
  { store, grants, audit }: Trustee,
  { requestId, actor, name }: Order & { readonly name: string },
  operation: string,
): Promise<Organisation> {
  const organisation = await readOrganisation({ store }, name)
  if (grants.believesOrganisation(organisation)) return organisation
  const subjects = [{ organisation: organisation.uuid, name }]
  await auditRefusal(audit, { operation, requestId, actor, subjects }, 'integrity', 'grant')
  throw new DomainError('ERR_INTEGRITY', 'the organisation’s row was not written by this server')
}

function write(
  trustee: Trustee,
  { requestId, actor }: Order,
  { operation, organisation }: { readonly operation: string; readonly organisation: Organisation },
  change: (transaction: Transaction) => Promise<void>,
): Promise<void> {
  const { uuid, name, state } = organisation
  const subjects = [{ organisation: uuid, name, state }]
  return audited(trustee.audit, { operation, requestId, actor, subjects }, 'done', () =>
    trustee.store.withTransaction(change),
  )
}
