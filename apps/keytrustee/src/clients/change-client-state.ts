import { DomainError, invalidInput, parseFingerprint, parseUuid, type Uuid } from '@keyhsm/core'
import { audited, auditRefusal } from '../audited.js'
import type { Client } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { changeClient } from './change-client.js'

export type ClientAction = 'approve' | 'disable' | 'enable'

/** From which state each action leads where; repeating an action is harmless. */
const transitions: Readonly<
  Record<ClientAction, { readonly from: readonly Client['state'][]; readonly to: Client['state'] }>
> = {
  approve: { from: ['waiting', 'active'], to: 'active' },
  disable: { from: ['waiting', 'active', 'disabled'], to: 'disabled' },
  enable: { from: ['disabled', 'active'], to: 'active' },
}

export interface ClientRefOrder {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
  /** A client's uuid or the fingerprint of its key. */
  readonly ref: string
}

export interface ClientOrder extends ClientRefOrder {
  readonly action: ClientAction
}

/**
 * Approves, disables or enables a client. Acts from its next request on, on open connections too, and takes back an order
 * to come with new keys.
 * @throws ERR_NOT_FOUND; ERR_CONFLICT when its state does not allow it; ERR_INTEGRITY for a row that is not ours.
 */
export async function changeClientState(trustee: Trustee, order: ClientOrder): Promise<Client> {
  const { requestId, actor, action } = order
  const operation = `client-${action}`
  const client = await readOwnClient(trustee, order, operation)
  const { to } = transitions[action]
  requireState(client, action)
  if (client.state === to && client.reenrolment === undefined) return client
  const { uuid, organisation, name } = client
  const subjects = [{ client: uuid, organisation, name }]
  return audited(trustee.audit, { operation, requestId, actor, subjects }, 'done', () =>
    changeClient(trustee, client, (before) => {
      requireState(before, action)
      return { ...before, state: to, reenrolment: undefined }
    }),
  )
}

function requireState({ state }: Pick<Client, 'state'>, action: ClientAction): void {
  if (!transitions[action].from.includes(state))
    throw new DomainError('ERR_CONFLICT', `a client in state ${state} cannot be ${past[action]}`)
}

const past: Readonly<Record<ClientAction, string>> = {
  approve: 'approved',
  disable: 'disabled',
  enable: 'enabled',
}

export function noSuchClient(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'there is no such client')
}

/** @throws ERR_NOT_FOUND; ERR_INTEGRITY, audited, for a row that this server did not write. */
export async function readOwnClient(
  { store, grants, audit }: Trustee,
  { requestId, actor, ref }: ClientRefOrder,
  operation: string,
): Promise<Client> {
  const client = await store.findClient(parseClientRef(ref))
  if (!client) throw noSuchClient()
  if (grants.believesClient(client)) return client
  const { uuid, organisation, name } = client
  const subjects = [{ client: uuid, organisation, name }]
  await auditRefusal(audit, { operation, requestId, actor, subjects }, 'integrity', 'grant')
  throw new DomainError('ERR_INTEGRITY', 'the client’s row was not written by this server')
}

function parseClientRef(ref: string): Parameters<Trustee['store']['findClient']>[0] {
  try {
    return ref.length === 36 ? { uuid: parseUuid(ref) } : { keyFingerprint: parseFingerprint(ref) }
  } catch {
    throw invalidInput('client', 'must be a uuid or the SHA-256 fingerprint of the client’s key')
  }
}
