/** Brings restored rows to what the audit says, or holds what nobody can say anything of. */
import { type Clock, newUuid, type Uuid } from '@keyhsm/core'
import type { Audit } from '@keyhsm/service'
import { type Operation, audited, type Subject } from '../audited.js'
import type { RevocationLog } from '../deposits/revocation-log.js'
import type { Grants } from '../grants.js'
import { newCount, usedOf } from '../policies/count-retrieval.js'
import { everyRequest } from '../requests/find-request.js'
import type { Deposit, Store, Transaction } from '../store/store.js'
import type { Held } from './holds.js'
import type { Since } from './replay.js'

export interface Restoring {
  readonly store: Store
  readonly grants: Grants
  readonly audit: Pick<Audit, 'append'>
  readonly revocations: RevocationLog
  readonly clock: Clock
  /** Whoever restores. */
  readonly actor: string
  readonly undeleteMs: number
}

export interface Applied {
  readonly clientsDisabled: number
  readonly organisationsSuspended: number
  readonly depositsRemoved: number
  readonly depositsPurged: number
  readonly depositsCounted: number
}

/**
 * @param servers how many wrote to the database: what another one than this took away stands in its own audit alone
 * @returns what was changed; and held, the deposits whose policy the backup has in an older form, or with several servers all
 * that may have changed
 */
export async function applySince(
  restoring: Restoring,
  since: Since,
  servers: number,
): Promise<{ readonly applied: Applied; readonly held: Held }> {
  const applied = {
    clientsDisabled: await each(since.disabledClients, (uuid) => disable(restoring, uuid)),
    organisationsSuspended: await each(since.suspendedOrganisations, (uuid) =>
      suspend(restoring, uuid),
    ),
    depositsPurged: await each(since.purgedDeposits.keys(), (uuid) =>
      revoke(restoring, since, uuid),
    ),
    depositsRemoved: await each(since.removedDeposits, (uuid) => remove(restoring, uuid)),
    depositsCounted: await each(since.retrievals.keys(), (uuid) =>
      count(restoring, uuid, since.retrievals.get(uuid) ?? 0),
    ),
  }
  const deposits: Uuid[] = []
  for (const uuid of since.changedPolicies)
    if (await findDeposit(restoring, uuid)) deposits.push(uuid)
  if (servers === 1) return { applied, held: { clients: [], deposits } }
  const all = await holdAll(restoring)
  return { applied, held: { ...all, deposits: [...new Set([...all.deposits, ...deposits])] } }
}

/** Without an audit: every client, and every deposit whose retrievals are counted. */
export async function holdAll({ store }: Pick<Restoring, 'store'>): Promise<Held> {
  const clients = (await store.listClients({})).map(({ uuid }) => uuid)
  const deposits: Uuid[] = []
  for (const { uuid: organisation } of await store.listOrganisations()) {
    let page: Awaited<ReturnType<Store['listDeposits']>> | undefined
    do {
      const from = page?.next === undefined ? {} : { after: page.next }
      page = await store.listDeposits({ organisation, limit: 1000, ...from })
      for (const { uuid, policy } of page.deposits)
        if (policy?.maxRetrievals !== undefined) deposits.push(uuid)
    } while (page.next !== undefined)
  }
  return { clients, deposits }
}

/** Approvals may have been used since the backup: every open request ends. @returns how many did. */
export async function withdrawRequests({ store, grants, clock }: Restoring): Promise<number> {
  let withdrawn = 0
  for (const { uuid: organisation } of await store.listOrganisations()) {
    for await (const request of everyRequest(store, { organisation, after: clock.now() })) {
      if (request.state !== 'open' || !grants.believesRequest(request)) continue
      const row = grants.request({ ...request, state: 'withdrawn' })
      await store.withTransaction((transaction) => transaction.saveRetrievalRequest(row))
      withdrawn += 1
    }
  }
  return withdrawn
}

async function each(uuids: Iterable<Uuid>, change: (uuid: Uuid) => Promise<boolean>) {
  let changed = 0
  for (const uuid of uuids) if (await change(uuid)) changed += 1
  return changed
}

async function disable(restoring: Restoring, uuid: Uuid): Promise<boolean> {
  const client = await restoring.store.findClient({ uuid })
  if (!client || client.state === 'disabled' || !restoring.grants.believesClient(client))
    return false
  const row = restoring.grants.client({ ...client, state: 'disabled' })
  const subject = { client: uuid, organisation: client.organisation, name: client.name }
  await write(restoring, 'client-disable', subject, (t) => t.updateClient(row))
  return true
}

async function suspend(restoring: Restoring, uuid: Uuid): Promise<boolean> {
  const found = await restoring.store.findOrganisation({ uuid })
  if (!found || found.state !== 'active' || !restoring.grants.believesOrganisation(found))
    return false
  const row = restoring.grants.organisation({ ...found, state: 'suspended' })
  const subject = { organisation: uuid, name: row.name, state: row.state }
  await write(restoring, 'org-set-state', subject, (t) => t.updateOrganisation(row))
  return true
}

async function remove(restoring: Restoring, uuid: Uuid): Promise<boolean> {
  const { clock, grants, undeleteMs } = restoring
  const deposit = await findDeposit(restoring, uuid)
  if (deposit?.state !== 'active') return false
  const updatedAt = clock.now()
  const undeleteUntil = new Date(updatedAt.getTime() + undeleteMs)
  const row = grants.deposit({ ...deposit, state: 'disabled', updatedAt, undeleteUntil })
  await write(restoring, 'remove', subjectOf(deposit), (t) => t.updateDeposit(row))
  return true
}

/** Written down beside the database: the server refuses it from its first moment and destroys its keys again. */
async function revoke(restoring: Restoring, since: Since, uuid: Uuid): Promise<boolean> {
  const purged = since.purgedDeposits.get(uuid)
  if (!purged || restoring.revocations.has(uuid)) return false
  await restoring.revocations.record({
    deposit: uuid,
    organisation: purged.organisation,
    orderedBy: purged.actor,
    orderedAt: restoring.clock.now().toISOString(),
  })
  return true
}

/** Uses between the audit's head and the snapshot are counted twice: that may cost a use, never grant one. */
async function count(restoring: Restoring, uuid: Uuid, retrievals: number): Promise<boolean> {
  const { store, grants } = restoring
  const deposit = await findDeposit(restoring, uuid)
  if (deposit?.policy?.maxRetrievals === undefined) return false
  const used = usedOf(grants, await store.findRetrievalCount(uuid))
  if (used === undefined) return false
  const row = newCount(grants, uuid, used + retrievals)
  const subject = { ...subjectOf(deposit), retrievals }
  await write(restoring, 'count', subject, (t) => t.saveRetrievalCount(row))
  return true
}

async function findDeposit({ store, grants }: Restoring, uuid: Uuid): Promise<Deposit | undefined> {
  const deposit = (await store.findDepositByUuid(uuid))?.deposit
  return deposit && grants.believesDeposit(deposit) ? deposit : undefined
}

function subjectOf({ organisation, uuid, handle, revision }: Deposit): Subject {
  return { organisation, deposit: uuid, handle, revision }
}

function write(
  { store, audit, actor }: Restoring,
  what: string,
  subject: Subject,
  change: (transaction: Transaction) => Promise<void>,
): Promise<void> {
  const operation: Operation = {
    operation: `restore-${what}`,
    requestId: newUuid(),
    actor,
    subjects: [subject],
  }
  return audited(audit, operation, 'done', () => store.withTransaction(change))
}
