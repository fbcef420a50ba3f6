/**
 * What the lost host's audit says happened after the backup: what took rights away is done again; what was stored since is
 * lost and named. An operation of which only the beginning is known counts as done.
 */
import type { Uuid } from '@keyhsm/core'
import { readAuditEntries } from '@keyhsm/service'

type Entry = ReturnType<typeof readAuditEntries> extends AsyncGenerator<infer Line> ? Line : never

export interface LostRevision {
  readonly deposit: Uuid
  readonly handle: string
  readonly revision: number
}

export interface Since {
  readonly disabledClients: ReadonlySet<Uuid>
  readonly suspendedOrganisations: ReadonlySet<Uuid>
  readonly removedDeposits: ReadonlySet<Uuid>
  readonly purgedDeposits: ReadonlyMap<
    Uuid,
    { readonly organisation: Uuid; readonly actor: string }
  >
  /** Retrievals that began, by deposit. */
  readonly retrievals: ReadonlyMap<Uuid, number>
  /** Their policies were changed: the backup has the ones before. */
  readonly changedPolicies: ReadonlySet<Uuid>
  readonly revokedKeys: ReadonlySet<string>
  readonly lost: readonly LostRevision[]
}

class Collector implements Since {
  readonly disabledClients = new Set<Uuid>()
  readonly suspendedOrganisations = new Set<Uuid>()
  readonly removedDeposits = new Set<Uuid>()
  readonly purgedDeposits = new Map<Uuid, { organisation: Uuid; actor: string }>()
  readonly retrievals = new Map<Uuid, number>()
  readonly changedPolicies = new Set<Uuid>()
  readonly revokedKeys = new Set<string>()
  readonly lost: LostRevision[] = []
}

type Rule = (found: Collector, entry: Entry) => void

/** Taking away counts from its intent on. */
const onIntent: Readonly<Record<string, Rule>> = {
  'client-disable': (found, entry) => found.disabledClients.add(uuidOf(entry, 'client')),
  'org-set-state': (found, entry) => {
    if (entry.subject?.['state'] === 'suspended')
      found.suspendedOrganisations.add(uuidOf(entry, 'organisation'))
  },
  // The old keys of the client ended when its code was used, at the latest.
  'client-reenrol': (found, entry) => found.disabledClients.add(uuidOf(entry, 'client')),
  'org-delete': (found, entry) => found.suspendedOrganisations.add(uuidOf(entry, 'organisation')),
  'put-batch': (found, entry) => {
    if (entry.subject?.['removes'] !== undefined)
      found.removedDeposits.add(uuidOf(entry, 'deposit'))
  },
  remove: (found, entry) => found.removedDeposits.add(uuidOf(entry, 'deposit')),
  purge: addPurge,
  'purge-again': addPurge,
  'purge-keys': addPurge,
  'set-policy': (found, entry) => found.changedPolicies.add(uuidOf(entry, 'deposit')),
  revoke: (found, entry) => found.revokedKeys.add(String(entry.subject?.['hsmKeyId'])),
  get: (found, entry) => {
    const deposit = uuidOf(entry, 'deposit')
    found.retrievals.set(deposit, (found.retrievals.get(deposit) ?? 0) + 1)
  },
}

/** Giving back counts when it was done. */
const onDone: Readonly<Record<string, Rule>> = {
  'client-enable': (found, entry) => found.disabledClients.delete(uuidOf(entry, 'client')),
  'org-set-state': (found, entry) => {
    if (entry.subject?.['state'] === 'active')
      found.suspendedOrganisations.delete(uuidOf(entry, 'organisation'))
  },
  undelete: (found, entry) => found.removedDeposits.delete(uuidOf(entry, 'deposit')),
  put: addLost,
  'put-batch': addLost,
}

/** Reads the entries after `sequence` of an audit that was verified. */
export async function readSince(directory: string, sequence: number): Promise<Since> {
  const found = new Collector()
  for await (const entry of readAuditEntries(directory, sequence)) {
    if (entry.event === 'intent') onIntent[entry.operation]?.(found, entry)
    if (entry.event === 'outcome' && (entry.outcome === 'done' || entry.outcome === 'stored'))
      onDone[entry.operation]?.(found, entry)
  }
  return found
}

function uuidOf({ subject }: Entry, name: string): Uuid {
  return String(subject?.[name]) as Uuid
}

function addPurge(found: Collector, entry: Entry): void {
  const organisation = uuidOf(entry, 'organisation')
  found.purgedDeposits.set(uuidOf(entry, 'deposit'), { organisation, actor: entry.actor })
}

function addLost(found: Collector, entry: Entry): void {
  const { subject } = entry
  if (subject?.['revision'] === undefined) return
  const deposit = uuidOf(entry, 'deposit')
  const { handle, revision } = subject
  found.lost.push({ deposit, handle: String(handle), revision: Number(revision) })
}
