/**
 * Joining a Key HSM, the story of `ktadmin keyhsm`: the whole way is proved (TLS both ways, describe, seal, open, canary)
 * before anything is saved; then the running server seals through it.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mayHaveBeenProcessed, type PartitionDescription } from '@keyhsm/client'
import { DomainError, type Fingerprint, invalidInput, toDomainError, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import { readText } from '../files.js'
import type { MigrationDesk } from '../migration/migration-desk.js'
import {
  type MigrationPlan,
  type Planned,
  planJoining,
  requireFeasible,
} from '../migration/plan-migration.js'
import { NameMap, type NameWish } from '../migration/names.js'
import { renameDeposits } from '../migration/rename-deposits.js'
import { toRecords } from '../migration/start-migration.js'
import type { Paths } from '../paths.js'
import type { MigrationProgress } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { type Joined, writeJoinFile } from './join-file.js'
import { connectKeyHsm, type KeyHsmAddress, type KeyHsmLink, openLink } from './key-hsm-link.js'
import { openExisting } from './open-existing.js'
import { proveSample } from './prove-sample.js'
import type { SealingState } from './sealing-state.js'

export interface JoinOrder {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
  readonly url: string
  readonly serverCertificate: string
  readonly clientCertificate?: string
  readonly clientKey?: string
  readonly passphrase?: string
  /** Deposits that are stored unsealed are moved into the HSM. */
  readonly migrate?: boolean
  readonly keepFormer?: boolean
  /** Other names for deposits whose names break the rules. */
  readonly names?: readonly NameWish[]
}

export interface JoinDesk {
  readonly migration: MigrationDesk
  readonly trustee: Trustee
  readonly sealing: SealingState
  readonly paths: Paths
  /** The link in use; undefined before the server is joined. */
  current(): KeyHsmLink | undefined
  /** Puts another link in use and lets the old one finish. */
  use(link: KeyHsmLink): void
}

export interface JoinResult {
  readonly joined: Joined
  readonly partition: PartitionDescription
  /** Begun with it. */
  readonly migration: MigrationProgress | undefined
}

/** Checks the whole way, changes nothing, and says what joining would move; undefined: nothing. @throws as {@link joinKeyHsm} */
export async function planJoin(
  desk: JoinDesk,
  order: JoinOrder,
): Promise<MigrationPlan | undefined> {
  const address = await toAddress(desk.paths, order)
  const partition = await provePartition(desk.trustee, address, order.requestId)
  await requireSamePartition(desk, partition)
  if (!(await keepsUnsealed(desk))) {
    requireNoNames(order)
    return undefined
  }
  return (await planJoining(desk.trustee, partition, new NameMap(order.names))).plan
}

/**
 * @throws ERR_CONFLICT when deposits are stored that the new Key HSM could not open; ERR_INVALID_INPUT for certificates
 * that cannot be used; ERR_NOT_AUTHENTICATED, ERR_UNAVAILABLE and the HSM's own when the way is not open. Nothing is
 * saved then.
 */
export async function joinKeyHsm(desk: JoinDesk, order: JoinOrder): Promise<JoinResult> {
  const release = desk.sealing.holdPassThrough()
  try {
    if (!desk.current()) await desk.trustee.queue.settled()
    const unsealed = await keepsUnsealed(desk)
    if (!unsealed) requireNoNames(order)
    if (unsealed && !order.migrate) throw await unsealedThere(desk.trustee)
    const address = await toAddress(desk.paths, order)
    const partition = await provePartition(desk.trustee, address, order.requestId)
    await requireSamePartition(desk, partition)
    const canary = partition.canary as Fingerprint
    await proveExisting(desk.trustee, { address, canary, requestId: order.requestId })
    const joined = { ...keptOf(desk.current()), ...toJoined(desk.trustee, address, partition) }
    const operation = {
      operation: 'join',
      requestId: order.requestId,
      actor: order.actor,
      subjects: [{ url: joined.url, realm: joined.realm, canary: joined.canary }],
    }
    const planned = unsealed
      ? await planJoining(desk.trustee, partition, new NameMap(order.names))
      : undefined
    if (planned) requireFeasible(planned.plan)
    await audited(desk.trustee.audit, operation, 'done', async () => {
      if (planned) {
        await renameDeposits(desk.trustee, order, planned.renames)
        await beginMoving(desk, order, { joined, planned })
      }
      await save(desk, joined)
      await desk.migration.joined()
    })
    const migration = desk.migration.order && desk.migration.progress
    return { joined, partition, migration }
  } finally {
    release()
  }
}

/** What is sealed is bound to its name. */
function requireNoNames({ names = [] }: JoinOrder): void {
  if (names.length > 0)
    throw invalidInput('names', 'must be left out: no deposit would be moved by joining')
}

async function save(desk: JoinDesk, joined: Joined): Promise<void> {
  const { url, realm, canary, domain, joinedAt } = joined
  // The database first: if the file then fails, nothing passes through any more and joining again mends it.
  await desk.trustee.store.withTransaction((transaction) =>
    transaction.saveJoin({ url, realm, canary, domain, joinedAt }),
  )
  await writeJoinFile(desk.paths, joined)
  const link = openLink(joined)
  desk.use(link)
  desk.sealing.join(link.sealer)
}

/** The order is there before the join: a crash between them leaves a server that must join again, and then goes on. */
async function beginMoving(
  { migration }: JoinDesk,
  { actor, keepFormer }: JoinOrder,
  { joined, planned }: { readonly joined: Joined; readonly planned: Planned },
): Promise<void> {
  if (migration.order) return
  const { canary, domain } = joined
  const before = { canary, domain, passThrough: true } as const
  const how = { actor, finishesItself: keepFormer !== true, before }
  const { order, progress } = toRecords(migration, planned, how)
  await migration.begin(order, progress)
}

/** Whether deposits from before joining are there, which are not sealed. */
async function keepsUnsealed(desk: JoinDesk): Promise<boolean> {
  if (desk.current() || (await desk.trustee.store.findJoin())) return false
  const selection = { from: { sealing: 'pass-through' }, to: { sealing: 'hsm' } } as const
  return (await desk.trustee.store.countToMove(selection)).revisions > 0
}

async function unsealedThere({ store }: Trustee): Promise<DomainError> {
  const count = await store.countDeposits()
  return new DomainError(
    'ERR_CONFLICT',
    `${count} active deposits are stored without an HSM and would have to be moved: nothing was changed`,
    { hints: ['move them: ktadmin keyhsm --yes', 'see what that means: ktadmin keyhsm --dry-run'] },
  )
}

/** Another partition cannot open what is stored; another Key HSM of the same partition can. */
async function requireSamePartition(
  { trustee }: JoinDesk,
  partition: PartitionDescription,
): Promise<void> {
  const before = await trustee.store.findJoin()
  const here = partition.backends.some(
    ({ canary, domain }) => canary === before?.canary && domain === before?.domain,
  )
  const same = !before || (here && before.realm === partition.realm)
  if (same) return
  const { deposits } = await trustee.store.listDeposits({ limit: 1 })
  if (deposits.length > 0)
    throw new DomainError(
      'ERR_CONFLICT',
      'the stored deposits are sealed in another HSM partition or realm than this Key HSM serves: nothing was changed',
    )
}

async function toAddress(paths: Paths, order: JoinOrder): Promise<KeyHsmAddress> {
  const own = order.clientCertificate === undefined && order.clientKey === undefined
  if (!own && (order.clientCertificate === undefined || order.clientKey === undefined))
    throw invalidInput('clientKey', 'belongs to clientCertificate: give both or neither')
  const clientCertificate =
    order.clientCertificate ?? (await readText(paths.keyHsmClientCertificate))
  const clientKey = order.clientKey ?? (await readText(paths.keyHsmClientKey))
  requirePair(clientCertificate, clientKey, order.passphrase)
  const { url, serverCertificate, passphrase } = order
  requireCertificate(serverCertificate, 'serverCertificate')
  return { url, serverCertificate, clientCertificate, clientKey, passphrase }
}

/** Asks what Key HSM is, then has it seal, open and remove a sample. */
async function provePartition(
  { clock }: Trustee,
  address: KeyHsmAddress,
  requestId: Uuid,
): Promise<PartitionDescription> {
  const calls = connectKeyHsm(address, { retry: false })
  try {
    const partition = await calls.describe()
    const handle = `join-${clock.now().toISOString().slice(0, 10)}`
    await proveSample(calls, { canary: partition.canary as Fingerprint, handle, requestId })
    return partition
  } catch (error) {
    throw explain(error)
  } finally {
    await calls.close()
  }
}

async function proveExisting(
  trustee: Trustee,
  o: {
    readonly address: KeyHsmAddress
    readonly canary: Fingerprint
    readonly requestId: Uuid
  },
): Promise<void> {
  const calls = connectKeyHsm(o.address, { retry: false })
  try {
    await openExisting(trustee, calls, o)
  } catch (error) {
    throw explain(error)
  } finally {
    await calls.close()
  }
}

/**
 * A refusal by Key HSM is not one of the administrator, whose own request was signed and known. In TLS 1.3 a server that
 * does not accept a certificate may close the connection before its reason arrives.
 */
function explain(thrown: unknown): DomainError {
  const error = toDomainError(thrown)
  const refused = error.code === 'ERR_NOT_AUTHENTICATED' || error.code === 'ERR_NOT_ALLOWED'
  const closed = error.code === 'ERR_UNAVAILABLE' && mayHaveBeenProcessed(error)
  if (!refused && !closed) return error
  return new DomainError(
    'ERR_UNAVAILABLE',
    `${error.message}; if it does not know this server, run keyhsm trust there with this server’s client certificate`,
    { cause: error },
  )
}

/** How new deposits are kept does not change by joining again. */
function keptOf(link: KeyHsmLink | undefined): Pick<Joined, 'target' | 'passThrough'> {
  const { target, passThrough } = link?.joined ?? {}
  return {
    ...(target === undefined ? {} : { target }),
    ...(passThrough === undefined ? {} : { passThrough }),
  }
}

function toJoined(
  { clock }: Trustee,
  address: KeyHsmAddress,
  partition: PartitionDescription,
): Joined {
  const { realm, domain, scope } = partition
  const canary = partition.canary as Fingerprint
  return { ...address, realm, canary, domain, scope, joinedAt: clock.now() }
}

function requirePair(certificate: string, key: string, passphrase: string | undefined): void {
  const parsed = requireCertificate(certificate, 'clientCertificate')
  try {
    const privateKey = createPrivateKey({
      key,
      ...(passphrase === undefined ? {} : { passphrase }),
    })
    if (parsed.checkPrivateKey(privateKey)) return
  } catch {
    throw invalidInput(
      'clientKey',
      'must be a private key in PEM, with its passphrase if it has one',
    )
  }
  throw invalidInput('clientKey', 'does not belong to clientCertificate')
}

function requireCertificate(pem: string, field: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw invalidInput(field, 'must be a certificate in PEM')
  }
}
