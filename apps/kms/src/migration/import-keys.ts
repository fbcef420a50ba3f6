/** Imports one key after the other; what goes wrong with one does not stop the others. */
import { newUuid, toDomainError } from '@keyhsm/core'
import type { Access, AuditTrail } from '../audit/audit-trail.js'
import { requireKeyName } from '../api/names.js'
import { RemoteError } from '../api/remote-error.js'
import type { Caller } from '../authentication/caller.js'
import { importKey, type ImportOrder, type ImportState } from '../zone-keys/import-key.js'
import type { KeyStore } from '../zone-keys/key-store.js'
import type { KeySource, SourceKey } from './source-key.js'
import { inParallel } from '../zone-keys/in-parallel.js'

export interface ImportedKey {
  readonly name: string
  readonly versions: number
  readonly state: ImportState | 'failed'
  readonly reason?: string
}

export interface ImportReport {
  readonly dryRun: boolean
  readonly keys: readonly ImportedKey[]
  readonly imported: number
  readonly extended: number
  readonly present: number
  readonly failed: number
  readonly versions: number
}

export interface Importing extends ImportOrder {
  /** Only these; absent: all. */
  readonly names: readonly string[] | undefined
  readonly trail: AuditTrail
  readonly caller: Caller
  readonly onProgress: (done: number, total: number) => void
}

/** Each waits for the HSM most of its time. */
const atOnce = 4

export async function importKeys(
  store: KeyStore,
  source: KeySource,
  o: Importing,
): Promise<ImportReport> {
  const names = o.names ?? (await source.names())
  const keys: ImportedKey[] = []
  await inParallel(atOnce, names, async (name) => {
    keys.push(await importOne(store, source, { ...o, name }))
    o.onProgress(keys.length, names.length)
  })
  keys.sort((a, b) => (a.name < b.name ? -1 : 1))
  const count = (state: ImportedKey['state']) => keys.filter((key) => key.state === state).length
  return {
    dryRun: o.dryRun,
    keys,
    imported: count('imported'),
    extended: count('extended'),
    present: count('present'),
    failed: count('failed'),
    versions: keys.reduce((sum, { versions }) => sum + versions, 0),
  }
}

async function importOne(
  store: KeyStore,
  source: KeySource,
  o: Importing & { readonly name: string },
): Promise<ImportedKey> {
  const { name } = o
  let read: SourceKey
  try {
    read = await source.read(requireKeyName(name))
  } catch (error) {
    return { name, versions: 0, state: 'failed', reason: reasonOf(error) }
  }
  const versions = read.versions.length
  // A failing audit ends everything: it is not a key's fault.
  const record = await intend(o, { key: name, count: versions })
  try {
    const state = await importKey(store, read, o)
    await record({ status: 'OK', message: state })
    return { name, versions, state }
  } catch (error) {
    const reason = reasonOf(error)
    await record({ status: 'ERROR', message: reason })
    return { name, versions, state: 'failed', reason }
  }
}

/** The first of two entries; returns what writes the second one. A dry run has neither. @throws ERR_AUDIT_UNAVAILABLE */
async function intend(
  { trail, caller, dryRun }: Importing,
  what: Pick<Access, 'key' | 'count'>,
): Promise<(outcome: Pick<Access, 'status' | 'message'>) => Promise<void>> {
  if (dryRun) return () => Promise.resolve()
  const access = { ...what, op: 'IMPORT_KEY', caller, peerAddress: 'local', requestId: newUuid() }
  await trail.intend(access)
  return (outcome) => trail.record({ ...access, ...outcome })
}

/** For the operator: what the caller of an endpoint would have been told, else our own words. */
function reasonOf(error: unknown): string {
  return error instanceof RemoteError ? error.message : toDomainError(error).message
}
