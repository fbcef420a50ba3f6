/** Opens what operations work with: grants, audit, database, the way to Key HSM. */
import { type Clock, type DomainError, newUuid } from '@keyhsm/core'
import {
  type Audit,
  type Closers,
  copyAuditTo,
  ed25519AuditSigner,
  meterAudit,
  type Metrics,
  openAudit,
  type OpenLog,
} from '@keyhsm/service'
import { openHolds } from '../backup/holds.js'
import { createDepositQueue } from '../deposits/deposit-queue.js'
import { openRevocationLog } from '../deposits/revocation-log.js'
import { sweepPendingPuts } from '../deposits/release-reservation.js'
import { readPrivateText } from '../files.js'
import { parseGrantKey } from '../grant-key.js'
import type { Grants } from '../grants.js'
import { Directions } from '../migration/directions.js'
import { MigrationDesk } from '../migration/migration-desk.js'
import { MovesUnderWay } from '../migration/moves-under-way.js'
import type { Paths } from '../paths.js'
import { readJoinFile } from '../sealing/join-file.js'
import { openLink } from '../sealing/key-hsm-link.js'
import { createPassThroughSealer } from '../sealing/pass-through.js'
import { createSealingState, type SealingState } from '../sealing/sealing-state.js'
import { shareTransactions } from '../store/share-transactions.js'
import type { Store } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { Database, DatabaseSettings } from './database.js'
import { LinkInUse } from './link-in-use.js'
import type { LiveState } from './live-state.js'

export interface TrusteeOptions {
  readonly paths: Paths
  readonly log: OpenLog
  readonly clock: Clock
  /** Measures operations where it is given. */
  readonly metrics?: Metrics
  openDatabase(settings: DatabaseSettings): Promise<Database>
}

export interface OpenTrustee {
  readonly trustee: Trustee & { readonly sealing: SealingState; readonly audit: Audit }
  readonly link: LinkInUse
  readonly migration: MigrationDesk
  readonly auditPublicKey: string
}

/**
 * `live` is asked at each use, so that a reload takes effect.
 * @throws ERR_SETTINGS, ERR_STORE_UNAVAILABLE, ERR_AUDIT_UNAVAILABLE; what was opened so far is in `closers`.
 */
export async function openTrustee(
  o: TrusteeOptions,
  live: () => LiveState,
  closers: Closers,
): Promise<OpenTrustee> {
  const { paths, log, clock } = o
  const grants = parseGrantKey(await readPrivateText(paths.grantKey))
  const signer = ed25519AuditSigner(await readPrivateText(paths.auditKey))
  const onProblem = (error: DomainError) => log.error({ error }, 'audit')
  const opened = await openAudit({
    directory: paths.audit,
    service: 'keytrustee',
    clock,
    signer,
    onProblem,
    onEntries: copyAuditTo(log, 'keytrustee'),
  })
  closers.add(() => opened.close())
  const audit = o.metrics ? meterAudit(opened, o.metrics) : opened
  const database = await o.openDatabase(live().settings)
  closers.add(() => database.close())
  const { store } = database
  const link = new LinkInUse()
  closers.add(() => link.close())
  const sealing = await openSealing({ paths, grants, store, link }, live())
  const now = () => clock.now()
  const directions = new Directions({ store, grants, sealing, paths, link, now })
  const trustee = {
    store,
    directions,
    commits: shareTransactions(store),
    grants,
    audit,
    sealing,
    queue: createDepositQueue(),
    moves: new MovesUnderWay(),
    revocations: await openRevocationLog(paths.revocations, grants),
    holds: await openHolds(paths.holds),
    clock,
    get limits() {
      return live().limits
    },
  }
  // Whoever reserved before this process began is gone, or finds its reservation gone when it commits. Those of other
  // servers are left alone.
  const alone = !store.reach().shared
  const left = alone ? await sweepPendingPuts(trustee, new Date(clock.now().getTime() + 1)) : []
  if (left.length > 0) log.warn({ count: left.length }, 'reservations of puts cut off are removed')
  const migration = new MigrationDesk({ trustee, sealing, paths, link, directions, log })
  await migration.open()
  closers.add(() => migration.close())
  await noteStart(audit, sealing)
  return { trustee, link, migration, auditPublicKey: signer.publicKey }
}

interface SealingParts {
  readonly paths: Paths
  readonly grants: Grants
  readonly store: Store
  readonly link: LinkInUse
}

async function openSealing(
  { paths, grants, store, link }: SealingParts,
  { settings }: LiveState,
): Promise<SealingState> {
  const joined = await readJoinFile(paths)
  const sealing = createSealingState({
    passThrough: createPassThroughSealer(grants),
    passThroughAllowed: settings.sealing === 'pass-through',
    wasJoined: (await store.findJoin()) !== undefined,
  })
  if (joined) {
    const opened = openLink(joined)
    link.use(opened)
    sealing.join(opened.sealer)
  }
  return sealing
}

async function noteStart(audit: Audit, sealing: SealingState): Promise<void> {
  await audit.append({
    event: 'note',
    operation: 'start',
    requestId: newUuid(),
    actor: 'service',
    subject: { sealing: sealing.state },
  })
}
