import { DomainError, invalidInput, parseFingerprint, parseUuid, type Uuid } from '@keyhsm/core'
import { audited, auditRefusal } from '../audited.js'
import type { Client } from '../store/store.js'
import type { Trustee } from '../trustee.js'

export type ClientAction = 'approve' | 'disable' | 'enable'

/** From which state each action leads where; repeating an action is harmless. */
const transitions: Readonly<
  Record<ClientAction, { readonly from: readonly Client['state'][]; readonly to: Client['state'] }>
> = {
  approve: { from: ['waiting', 'active'], to: 'active' },
  disable: { from: ['waiting', 'active', 'disabled'], to: 'disabled' },
  enable: { from: ['disabled', 'active'], to: 'active' },
}

export interface ClientOrder {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
  /** A client's uuid or the fingerprint of its key. */
  readonly ref: string
  readonly action: ClientAction
}

/**
 * Approves, disables or enables a client. Acts from its next request on, on open connections too.
 * @throws ERR_NOT_FOUND; ERR_CONFLICT when its state does not allow it; ERR_INTEGRITY for a row that is not ours.
 */
export async function changeClientState(trustee: Trustee, order: ClientOrder): Promise<Client> {
  const { requestId, actor, action } = order
  const client = await findByRef(trustee, order.ref)
  const operation = {
    operation: `client-${action}`,
    requestId,
    actor,
    subjects: [{ client: client.uuid, organisation: client.organisation, name: client.name }],
  }
  if (!trustee.grants.believesClient(client)) {
    await auditRefusal(trustee.audit, operation, 'integrity', 'grant')
    throw new DomainError('ERR_INTEGRITY', 'the client’s row was not written by this server')
  }
  const { from, to } = transitions[action]
  if (!from.includes(client.state))
    throw new DomainError(
      'ERR_CONFLICT',
      `a client in state ${client.state} cannot be ${past[action]}`,
    )
  if (client.state === to) return client
  const changed = trustee.grants.client({ ...client, state: to })
  await audited(trustee.audit, operation, 'done', () =>
    trustee.store.withTransaction((transaction) => transaction.updateClient(changed)),
  )
  return changed
}

const past: Readonly<Record<ClientAction, string>> = {
  approve: 'approved',
  disable: 'disabled',
  enable: 'enabled',
}

export function noSuchClient(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'there is no such client')
}

async function findByRef({ store }: Trustee, ref: string): Promise<Client> {
  const client = await store.findClient(parseClientRef(ref))
  if (!client) throw noSuchClient()
  return client
}

function parseClientRef(ref: string): Parameters<Trustee['store']['findClient']>[0] {
  try {
    return ref.length === 36 ? { uuid: parseUuid(ref) } : { keyFingerprint: parseFingerprint(ref) }
  } catch {
    throw invalidInput('client', 'must be a uuid or the SHA-256 fingerprint of the client’s key')
  }
}
