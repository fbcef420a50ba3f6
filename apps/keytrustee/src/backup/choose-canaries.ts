/**
 * Reads every deposit of a restored database as the server would, and chooses the ones to open: the newest of each
 * organisation and scope that this installation may open without anybody's approval.
 */
import type { Uuid } from '@keyhsm/core'
import type { Grants } from '../grants.js'
import type { Deposit, Reader, RevisionMeta } from '../store/store.js'

export interface Canary {
  readonly organisation: string
  readonly scope: string
  readonly deposit: Deposit
  readonly latest: RevisionMeta
}

export interface Surveyed {
  readonly organisations: number
  readonly clients: number
  /** Deposits that are not purged. */
  readonly deposits: number
  /** Rows that this installation did not write as they are. */
  readonly unbelieved: number
  readonly canaries: readonly Canary[]
}

const pageSize = 1000

type Source = Pick<Reader, 'listOrganisations' | 'listClients' | 'listDeposits'>

/** `isRevoked`: ordered to be unreadable since the backup. @throws ERR_STORE_UNAVAILABLE; what `onPage` throws. */
export async function surveyDeposits(
  store: Source,
  grants: Grants,
  o: { isRevoked(deposit: Uuid): boolean; onPage(deposits: number): void },
): Promise<Surveyed> {
  const organisations = await store.listOrganisations()
  const clients = await store.listClients({})
  const canaries: Canary[] = []
  let deposits = 0
  let unbelieved =
    organisations.filter((row) => !grants.believesOrganisation(row)).length +
    clients.filter((row) => !grants.believesClient(row)).length
  for (const { uuid, name } of organisations) {
    const newest = new Map<string, Canary>()
    for await (const { latest, ...deposit } of allDeposits(store, uuid)) {
      deposits += 1
      if (deposits % pageSize === 0) o.onPage(deposits)
      if (!grants.believesDeposit(deposit)) unbelieved += 1
      else if (canBeOpened(deposit, latest) && !o.isRevoked(deposit.uuid))
        keepNewer(newest, { organisation: name, scope: latest.scope ?? 'none', deposit, latest })
    }
    canaries.push(...newest.values())
  }
  return {
    organisations: organisations.length,
    clients: clients.length,
    deposits,
    unbelieved,
    canaries,
  }
}

async function* allDeposits(store: Source, organisation: Uuid) {
  let page: Awaited<ReturnType<Source['listDeposits']>> | undefined
  do {
    const after = page?.next
    const from = after === undefined ? {} : { after }
    page = await store.listDeposits({ organisation, limit: pageSize, ...from })
    yield* page.deposits
  } while (page.next !== undefined)
}

/** Trustees' signatures are part of what opens their deposits: a drill has none. */
function canBeOpened(deposit: Deposit, { sealing }: RevisionMeta): boolean {
  const open = deposit.state === 'active' || deposit.state === 'disabled'
  return open && sealing === 'hsm' && deposit.policy?.trustees === undefined
}

function keepNewer(newest: Map<string, Canary>, canary: Canary): void {
  const known = newest.get(canary.scope)
  if (!known || known.latest.createdAt < canary.latest.createdAt) newest.set(canary.scope, canary)
}
