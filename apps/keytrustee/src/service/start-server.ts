/** The Trustee Server, put together: everything it needs is opened in order, or nothing stays open. */
import { X509Certificate } from 'node:crypto'
import type { PartitionDescription } from '@keyhsm/client'
import { type Clock, type DomainError, errorTraits, systemClock } from '@keyhsm/core'
import {
  AdministratorCheck,
  type Care,
  Closers,
  openMetrics,
  type HttpServer,
  type Log,
  logReloaded,
  type Metrics,
  type Reloaded,
  startHttpServer,
  watchWarnings,
} from '@keyhsm/service'
import { finishAuthority } from '../certificates/authorities.js'
import {
  certificateSources,
  expiringCertificates,
  watchedFolders,
} from '../certificates/list-certificates.js'
import { finishKeyHsmPair } from '../certificates/key-hsm-pair.js'
import { finishRoll } from '../certificates/roll-server.js'
import { HeadsOfClients } from '../clients/record-head.js'
import { ResealSchedule } from '../migration/reseal-schedule.js'
import { startMigration, type StartOrder } from '../migration/start-migration.js'
import { createAttemptLimit } from '../organisations/attempt-limit.js'
import { followKeyHsm, pinsOf } from '../sealing/follow-key-hsm.js'
import { HeadExchange } from '../sealing/exchange-heads.js'
import { readJoinFile, writeJoinFile } from '../sealing/join-file.js'
import { type KeyHsmLink, continueLink } from '../sealing/key-hsm-link.js'
import { createHsmTest } from '../sealing/test-hsm.js'
import { openMonitoring } from '../monitoring/open-monitoring.js'
import { adminRoutes } from './admin-routes.js'
import { ClientAuthorities } from './client-authorities.js'
import { clientRoutes } from './client-routes.js'
import type { TrusteeOptions } from './open-trustee.js'
import { type HealthSources, readParts } from './health.js'
import { startHousekeeping } from './housekeeping.js'
import { identifyPeer } from './identify.js'
import { describeReload, type LiveState, readLiveState, withAuthorities } from './live-state.js'
import { type OpenTrustee, openTrustee } from './open-trustee.js'
import { readStatus } from './status.js'
import type { Paths } from '../paths.js'
import { readSettings } from '../settings.js'

export interface ServerOptions extends Omit<TrusteeOptions, 'clock'> {
  /** Reloads as SIGHUP does. */
  readonly requestReload: () => Promise<Reloaded>
  readonly clock?: Clock
}

export interface TrusteeServer {
  /** Where clients reach it: `host:port` as bound. */
  readonly address: { readonly host: string; readonly port: number }
  /** Lets requests under way finish for at most `timeoutMs`, then closes everything. */
  stop(timeoutMs: number): Promise<void>
  /** Reads settings, TLS pair and administrators anew. @throws ERR_SETTINGS; the old ones stay in use. */
  reload(): Promise<Reloaded>
}

/** @throws ERR_SETTINGS, ERR_UNAVAILABLE (port taken), ERR_STORE_UNAVAILABLE, ERR_AUDIT_UNAVAILABLE; nothing stays open. */
export async function startServer(o: ServerOptions): Promise<TrusteeServer> {
  const closers = new Closers()
  try {
    return await openServer({ ...o, clock: o.clock ?? systemClock }, closers)
  } catch (error) {
    await closers.closeAll().catch(() => undefined)
    throw error
  }
}

type Opening = TrusteeOptions & Pick<ServerOptions, 'requestReload'>

interface Running {
  readonly o: Opening
  readonly opened: OpenTrustee
  readonly live: () => LiveState
  readonly health: HealthSources
  readonly metrics: Metrics
  readonly care: Care
  readonly schedule: ResealSchedule
  readonly authorities: ClientAuthorities
}

async function openServer(o: Opening, closers: Closers): Promise<TrusteeServer> {
  await finishChanges(o.paths)
  let live = await readLiveState(o.paths, o.clock.now())
  const startedAt = o.clock.now()
  const metrics = await openMetrics('keytrustee')
  closers.add(() => metrics.close())
  const opened = await openTrustee({ ...o, metrics }, () => live, closers)
  const { trustee, link } = opened
  const health = toHealthSources(o, opened, live)
  const care = makeCare(o, opened, () => live)
  closers.add(watchWarnings(care, o.log))
  const schedule = scheduleReseals(o, opened, () => live)
  const listening: HttpServer[] = []
  const authorities = openClientAuthorities(o, opened, async () => {
    live = await withAuthorities(live, o.paths, o.clock.now())
    for (const port of listening) port.reloadTls(live.tls)
  })
  // Before the first client comes; a database that cannot be asked yet is asked again soon.
  await authorities.follow().catch(() => undefined)
  const running = { o, opened, live: () => live, health, metrics, care, schedule, authorities }
  const port = await openClientPort(running)
  listening.push(port)
  closers.add(() => port.close())
  const address = port.address as { readonly host: string; readonly port: number }
  const status = () =>
    readStatus({
      opened,
      health,
      live,
      care,
      startedAt,
      log: o.log,
      schedule,
      hsmBackup: o.paths.hsmBackup,
      address: `${address.host}:${address.port}`,
    })
  const control = await openControlSocket(running, status)
  closers.add(() => control.close())
  const monitoring = await openMonitors(running, port)
  closers.add(() => monitoring?.close())
  opened.migration.resume()
  const heads = new HeadExchange(trustee.audit, () => link.current())
  closers.add(keepHouse(running, heads))
  return {
    address,
    async stop(timeoutMs) {
      await Promise.all([port.drain(timeoutMs), control.drain(timeoutMs)])
      // The last word of this run, if Key HSM still hears it.
      await heads.run().catch(() => undefined)
      await closers.closeAll()
    },
    async reload() {
      const next = await readLiveState(o.paths, o.clock.now())
      port.reloadTls(next.tls)
      const reloaded = logReloaded(o.log, describeReload(live, next))
      live = next
      return reloaded
    },
  }
}

function keepHouse(
  { o: { log }, opened: { trustee, migration }, live, health, schedule, authorities }: Running,
  heads: HeadExchange,
): () => Promise<void> {
  return startHousekeeping({
    trustee,
    log,
    readParts: () => readParts(health),
    exchangeHeads: () => heads.run(),
    followAuthorities: () => authorities.follow(),
    reseal: () => schedule.look(),
    showMigration: () => migration.showOpen(),
    followDirection: () => trustee.directions.follow(),
    resealEveryMs: live().settings.resealEveryMs,
  })
}

function openClientAuthorities(
  { paths, clock, log }: Opening,
  { trustee: { store, grants, audit } }: OpenTrustee,
  use: () => Promise<void>,
): ClientAuthorities {
  return new ClientAuthorities({ paths, store, grants, audit, clock, log, use })
}

function toHealthSources(o: Opening, opened: OpenTrustee, { settings }: LiveState): HealthSources {
  const { trustee, link } = opened
  return {
    store: trustee.store,
    audit: trustee.audit,
    link: () => link.current(),
    passThrough: settings.sealing === 'pass-through',
    onDescribed: (before, partition) => takeOver({ o, opened }, before, partition),
  }
}

/** A change of certificates that was cut off is completed before anything is read. */
async function finishChanges(paths: Paths): Promise<void> {
  await finishRoll(paths, await readSettings(paths))
  await finishAuthority(paths)
  await finishKeyHsmPair(paths, await readJoinFile(paths))
}

function makeCare(o: TrusteeOptions, { link }: OpenTrustee, live: () => LiveState): Care {
  return {
    clock: o.clock,
    certificates: () => expiringCertificates(certificateSources(live(), link.current()?.joined)),
    folders: () =>
      watchedFolders(o.paths, { privateDatabase: live().settings.databaseUrl === undefined }),
  }
}

function scheduleReseals(
  { log }: Pick<TrusteeOptions, 'log'>,
  { migration: desk }: OpenTrustee,
  live: () => LiveState,
): ResealSchedule {
  const olderThanMs = () => live().settings.resealOlderThanMs
  const start = (order: StartOrder) => startMigration(desk, order)
  return new ResealSchedule({ desk, olderThanMs, start, log })
}

function openMonitors(
  { o, opened, live, health, metrics, care, schedule }: Running,
  clients: HttpServer,
): ReturnType<typeof openMonitoring> {
  return openMonitoring({
    metrics,
    log: o.log,
    live,
    care,
    auditHealthy: () => opened.trustee.audit.state().healthy,
    readParts: () => readParts(health),
    inFlight: () => clients.inFlight(),
    store: opened.trustee.store,
    migration: opened.migration,
    schedule,
    onError: (error, context) => logError(o.log, error, context),
  })
}

/** Takes over what Key HSM says of its certificate and its scope, also for requests that are under way. */
async function takeOver(
  { o, opened }: Pick<Running, 'o' | 'opened'>,
  before: KeyHsmLink,
  partition: PartitionDescription,
): Promise<void> {
  const joined = followKeyHsm(before.joined, partition)
  // A link that is no longer in use has nothing to say.
  if (!joined || opened.link.current() !== before) return
  await writeJoinFile(o.paths, joined)
  const link = continueLink(before, joined)
  opened.link.use(link)
  opened.trustee.sealing.join(link.sealer)
  const { scope } = joined
  const changed = scope === before.joined.scope ? 'certificate' : 'scope'
  o.log.info({ accepted: pinsOf(joined), scope }, `Key HSM changes its ${changed}`)
}

async function openClientPort({ o, opened, live, metrics }: Running): Promise<HttpServer> {
  const { trustee, link } = opened
  const { paths, clock, log } = o
  const attempts = createAttemptLimit(clock)
  const { settings, tls } = live()
  return startHttpServer({
    listen: { host: settings.host, port: settings.port },
    tls,
    clock,
    metrics,
    routes: clientRoutes({
      trustee,
      heads: new HeadsOfClients(),
      paths,
      desk: () => ({ authority: live().authority, attempts }),
      successions: () => live().successions,
      hsmTest: createHsmTest(trustee, () => link.current()),
      certificate: () => live().certificate,
    }),
    identify: (peer) => identifyPeer(trustee, live().authority, peer),
    onError: (error, context) => logError(log, error, context),
  })
}

function openControlSocket(
  { o, opened, live, authorities }: Running,
  status: Parameters<typeof adminRoutes>[0]['status'],
): Promise<HttpServer> {
  const { trustee, link, migration } = opened
  const { paths, clock, log, requestReload } = o
  const check = new AdministratorCheck(clock)
  const join = {
    trustee,
    migration,
    sealing: trustee.sealing,
    paths,
    current: () => link.current(),
    use: (next: Parameters<typeof link.use>[0]) => link.use(next),
  }
  const routes = adminRoutes({
    trustee,
    join,
    pruneReports: paths.pruneReports,
    hsmBackup: paths.hsmBackup,
    sharesServerCertificate: (pem) => sharesKey(pem, live().certificate),
    status,
    certificate: () => live().certificate,
    authorities,
    log,
    requestReload,
  })
  return startHttpServer({
    listen: { socketPath: paths.controlSocket },
    routes,
    clock,
    identify: (peer) => check.identify(peer, live().administrators),
    onError: (error, context) => logError(log, error, context),
  })
}

function sharesKey(pem: string, server: X509Certificate): boolean {
  return new X509Certificate(pem).publicKey.equals(server.publicKey)
}

/** Faults of this server or of what it needs are the operator's business; refusals are the audit's. */
function logError(
  log: Log,
  error: DomainError,
  context: { readonly requestId: string; readonly route: string; readonly status: number },
): void {
  if (error.code === 'ERR_INTERNAL') log.error({ ...context, error }, 'a request failed')
  else if (errorTraits[error.code].retry)
    log.warn({ ...context, error }, 'a request could not be served')
  else log.debug({ ...context, error }, 'a request was refused')
}
