/**
 * `ktadmin drill`: the proof of a backup. It is loaded into a scratch database, every row is read and believed as the server
 * would, and of each organisation and scope one deposit is opened through the HSM; its content is wiped unseen.
 */
import { basename } from 'node:path'
import type { AgeKey } from '@keyhsm/client'
import { DomainError, newUuid, toDomainError } from '@keyhsm/core'
import type { RunningCluster } from '../cluster/index.js'
import { openRevocationLog } from '../deposits/revocation-log.js'
import { readPrivateText } from '../files.js'
import { parseGrantKey } from '../grant-key.js'
import type { Grants } from '../grants.js'
import { findMissingKeys, type MissingKeys } from '../hsm-keys/find-missing-keys.js'
import type { Paths } from '../paths.js'
import { readJoinFile } from '../sealing/join-file.js'
import { type KeyHsmLink, openLink } from '../sealing/key-hsm-link.js'
import { notJoined } from '../sealing/sealing-state.js'
import { openPostgresStore } from '../store/postgres/postgres-store.js'
import type { Store } from '../store/store.js'
import { type Canary, surveyDeposits, type Surveyed } from './choose-canaries.js'
import { damagedBackup } from './frames.js'
import { loadBackup } from './load-backup.js'
import type { ReadBackup } from './read-backup.js'
import { openRecorder, recorded } from './recorder.js'
import { withScratchDatabase } from './scratch-database.js'
import { hashFile, interrupted } from './write-backup.js'

export interface DrillWish {
  readonly paths: Paths
  readonly as: string | undefined
  readonly file: string
  readonly key: AgeKey
  readonly signal: AbortSignal
  readonly onProgress: (line: string) => void
}

export interface OpenedCanary {
  readonly organisation: string
  readonly scope: string
  readonly deposit: string
  readonly handle: string
  readonly revision: number
  /** `opened`, or the code of what kept it shut. */
  readonly result: string
}

export interface DrillReport extends Omit<Surveyed, 'canaries'> {
  /** Every row is ours, every canary opened, no key is missing. */
  readonly ok: boolean
  readonly file: string
  readonly sha256: string
  readonly madeAt: string
  readonly rows: number
  readonly canaries: readonly OpenedCanary[]
  readonly missingKeys: MissingKeys
  readonly seconds: number
}

/**
 * @throws ERR_NOT_JOINED; ERR_WRONG_PARTITION for a backup of another partition; what reading, loading and Key HSM throw.
 * Nothing is left behind.
 */
export async function drill(wish: DrillWish): Promise<DrillReport> {
  const joined = await readJoinFile(wish.paths)
  if (!joined) throw notJoined()
  const link = openLink(joined)
  const recorder = await openRecorder(wish.paths, wish.as).catch(async (error: unknown) => {
    await link.calls.close()
    throw error
  })
  try {
    const sha256 = await hashFile(wish.file).catch(() => {
      throw new DomainError('ERR_NOT_FOUND', 'the backup cannot be read')
    })
    const subject = { file: basename(wish.file), sha256 }
    return await recorded(
      recorder,
      { operation: 'drill', subject },
      () => withScratchDatabase(wish.paths.root, (cluster) => prove(wish, link, cluster, sha256)),
      ({ ok, canaries, missingKeys: { missing } }) => ({
        outcome: ok ? 'done' : 'refused',
        subject: { canaries: canaries.length, missing },
      }),
    )
  } catch (error) {
    throw wish.signal.aborted ? interrupted() : error
  } finally {
    await recorder.close()
    await link.calls.close()
  }
}

async function prove(
  wish: DrillWish,
  link: KeyHsmLink,
  cluster: RunningCluster,
  sha256: string,
): Promise<DrillReport> {
  const began = Date.now()
  const { grants, manifest, totals } = await loadScratch(wish, link, cluster)
  const store = await openPostgresStore({ address: cluster.service, cluster: 'private' })
  try {
    const revocations = await readRevoked(wish.paths)
    const { canaries, ...surveyed } = await surveyDeposits(store, grants, {
      isRevoked: (deposit) => revocations.has(deposit),
      onPage(deposits) {
        wish.signal.throwIfAborted()
        wish.onProgress(`${deposits} deposits read`)
      },
    })
    wish.onProgress(`opening ${canaries.length} deposits through the HSM`)
    const opened: OpenedCanary[] = []
    for (const canary of canaries) opened.push(await openOne(wish, link, { store, grants }, canary))
    const missingKeys = withoutRevoked(await findMissingKeys(store, link), revocations)
    const allOpened = opened.every(({ result }) => result === 'opened')
    return {
      ok: surveyed.unbelieved === 0 && allOpened && missingKeys.missing === 0,
      file: wish.file,
      sha256,
      madeAt: manifest.madeAt.toISOString(),
      rows: totals.tables.reduce((sum, { rows }) => sum + rows, 0),
      ...surveyed,
      canaries: opened,
      missingKeys,
      seconds: Math.round((Date.now() - began) / 100) / 10,
    }
  } finally {
    await store.close()
  }
}

async function loadScratch(
  { file, key, signal, onProgress }: DrillWish,
  { joined }: KeyHsmLink,
  { administrator }: RunningCluster,
): Promise<ReadBackup & { readonly grants: Grants }> {
  let grants: Grants | undefined
  const read = await loadBackup({
    file,
    key,
    signal,
    onProgress,
    address: administrator,
    serviceRole: 'keytrustee_server',
    onManifest({ join }) {
      if (join && join.canary !== joined.canary)
        throw new DomainError(
          'ERR_WRONG_PARTITION',
          'the backup is of a server that was joined to another HSM partition than this one',
        )
      return Promise.resolve()
    },
    onFile({ name, content }) {
      if (name === 'grant.key') grants = parseGrantKey(content.toString('utf8'))
      return Promise.resolve()
    },
  })
  if (!grants) throw damagedBackup('it has no grant.key')
  return { ...read, grants }
}

/** What this host knows to be unreadable; a host that is being prepared has no such file yet. */
async function readRevoked(paths: Paths): Promise<ReadonlySet<string>> {
  const own = parseGrantKey(await readPrivateText(paths.grantKey))
  const log = await openRevocationLog(paths.revocations, own)
  return new Set(log.list().map(({ deposit }) => deposit))
}

async function openOne(
  { signal }: DrillWish,
  { calls, joined }: KeyHsmLink,
  { store, grants }: { readonly store: Store; readonly grants: Grants },
  { organisation, scope, deposit, latest }: Canary,
): Promise<OpenedCanary> {
  signal.throwIfAborted()
  const { uuid, handle } = deposit
  const { revision } = latest
  const shown = { organisation, scope, deposit: uuid, handle, revision }
  const found = await store.findRevision(uuid, revision)
  if (!found || found.uuid !== grants.revisionUuid(uuid, revision))
    return { ...shown, result: 'ERR_INTEGRITY' }
  const context = { organisation: deposit.organisation, deposit: uuid, handle, revision }
  const order = { requestId: newUuid(), context, sealed: found.stored, canary: joined.canary }
  const result = await calls.open(order, { signal }).then(
    (content) => {
      content.fill(0)
      return 'opened'
    },
    (error: unknown) => toDomainError(error).code,
  )
  return { ...shown, result }
}

/** A deposit that was purged since the backup has lost its key by order. */
function withoutRevoked(found: MissingKeys, revoked: ReadonlySet<string>): MissingKeys {
  const keys = found.keys.filter(({ uses }) => !uses.every(({ deposit }) => revoked.has(deposit)))
  return { ...found, keys, missing: found.missing - (found.keys.length - keys.length) }
}
