/**
 * The service: settings → HSM → audit → ports, each closed again in the reverse order when a later one fails. It accepts
 * requests when the promise resolves.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, DomainError, newUuid, toDomainError } from '@keyhsm/core'
import {
  AdministratorCheck,
  Closers,
  type Audit,
  type Care,
  copyAuditTo,
  openMetrics,
  type HttpServer,
  type MonitoringOptions,
  levelInUse,
  type Meters,
  type Metrics,
  meterAudit,
  type OpenLog,
  openAudit,
  prepareHttpServer,
  type RunningService,
  watchWarnings,
  formatAuthority,
} from '@keyhsm/service'
import { careOfKeyHsm } from '../care.js'
import { readConfiguration, showConfiguration, withoutPins } from '../configuration.js'
import type { WholeWorkshop } from '../operations/caller.js'
import { UsedRequests } from '../operations/check-approval.js'
import type { RealmRate } from '../operations/realm-rate.js'
import { makeRates } from './make-rates.js'
import { hsmMeters } from '../monitoring/hsm-meters.js'
import { meterHsm } from '../monitoring/meter-hsm.js'
import { openMonitoring } from '../monitoring/open-monitoring.js'
import { OpenAlarm, type OpenAlarmEvent } from '../operations/open-alarm.js'
import type { Partitions } from '../partition/partitions.js'
import type { Paths } from '../paths.js'
import { vendorPrefix } from '../settings.js'
import { version } from '../version.js'
import { makeAdminRoutes } from './admin-routes.js'
import { toAuditSigner } from './audit-signer.js'
import { BackendHouse } from './backend-house.js'
import { makeCertificateDesk } from './certificate-desk.js'
import { identifyService } from './identify.js'
import { type LiveState, readLiveState, toTlsServing } from './live-state.js'
import type { Environment } from '../keystore-password.js'
import { describeDoor, openManagement } from './management.js'
import { reloadLiveState } from './reload.js'
import { makeServiceRoutes } from './routes.js'
import { ringBells, watchAlarm } from './open-alarms.js'
import { readStatus, type Status } from './status.js'

export interface KeyHsmOptions {
  readonly paths: Paths
  readonly env: Environment
  readonly log: OpenLog
  readonly clock: Clock
  /** `start --debug`: everything is logged until a restart without it, whatever a reload finds in the settings. */
  readonly debug?: boolean
  /** Ends the process as SIGTERM does; absent where only the caller may end the service. */
  readonly requestStop?: (drainMs: number) => void
}

export interface RunningKeyHsm extends RunningService {
  /** Where Trustee Servers connect. */
  readonly address: { readonly host: string; readonly port: number }
  readonly partitions: () => Partitions
}

/** What is open while the service runs. */
interface Running {
  readonly o: KeyHsmOptions
  readonly startedAt: Date
  readonly backends: BackendHouse
  readonly audit: Audit
  readonly metrics: Metrics
  readonly meters: Meters<typeof hsmMeters>
  /** Exchanged as one by a reload. */
  live: LiveState
  readonly openAlarm: OpenAlarm
  openRate: RealmRate
  resealRate: RealmRate
  revokeRate: RealmRate
  readonly usedRequests: UsedRequests
  readonly care: Care
  listener?: HttpServer
  management?: HttpServer
  lastError?: NonNullable<Status['lastError']>
}

type ErrorLog = MonitoringOptions['onError']

/** The listeners, ready to be opened. */
interface Doors {
  readonly management: (port: number) => Promise<HttpServer>
  readonly listener: (where: { host: string; port: number }) => Promise<HttpServer>
}

/**
 * @throws ERR_SETTINGS, ERR_HSM_LOGIN, ERR_WRONG_PARTITION, ERR_AUDIT_UNAVAILABLE, ERR_UNAVAILABLE (address in use) and
 * others; then nothing is left open.
 */
export async function startKeyHsm(o: KeyHsmOptions): Promise<RunningKeyHsm> {
  const closers = new Closers()
  try {
    const { running, doors } = await openParts(o, closers)
    const listener = await listen(running, doors, closers)
    running.backends.watch()
    closers.add(() => running.backends.stopWatching())
    await note(running, 'start')
    closers.add(watchWarnings(running.care, o.log))
    const address = listener.address as { host: string; port: number }
    return {
      ready: `keyhsm is ready on ${formatAuthority(address)}`,
      address,
      partitions: () => running.backends.partitions,
      reload: () => reload(running),
      stop: (timeoutMs) => stop(running, closers, timeoutMs),
    }
  } catch (error) {
    await closers.closeAll().catch(() => undefined)
    throw error
  }
}

async function openParts(
  o: KeyHsmOptions,
  closers: Closers,
): Promise<{ readonly running: Running; readonly doors: Doors }> {
  const { paths, log, clock } = o
  const configuration = await readConfiguration(paths)
  try {
    const live = await readLiveState(paths, o.env, showConfiguration(configuration))
    const metrics = await openMetrics('keyhsm')
    closers.add(() => metrics.close())
    const meters = metrics.meters(hsmMeters)
    const seeing: { running?: Running } = {}
    const connecting = BackendHouse.open(configuration, {
      paths,
      log,
      clock,
      measure: (hsm, backend) => meterHsm(hsm, meters, backend),
      everyMs: () => seeing.running?.live.settings.recheckMs ?? live.settings.recheckMs,
      realms: () => seeing.running?.live.trust.realms ?? live.trust.realms,
      onError: (error) => seeing.running && noticeFault(seeing.running, error),
    })
    const preparing = prepareDoors(o, { live, metrics }, () => requireRunning(seeing.running))
    // Whichever fails first is thrown below; the other must not end the process.
    preparing.catch(() => undefined)
    const backends = await connecting
    closers.add(() => backends.close())
    const audit = meterAudit(await openTheAudit(o, backends), metrics)
    closers.add(() => audit.close())
    const tell = (event: OpenAlarmEvent) => ringBells({ audit, meters, log }, event)
    const openAlarm = new OpenAlarm(live.settings.openAlarm, clock, tell)
    closers.add(watchAlarm(openAlarm))
    const rates = makeRates(live.settings, { clock, alarm: openAlarm })
    const usedRequests = new UsedRequests(clock)
    const startedAt = clock.now()
    const opened = { o, startedAt, backends, audit, metrics, meters, live }
    const care = careOfKeyHsm({
      clock,
      paths,
      live: () => seeing.running?.live ?? live,
      logFiles: () => log.state().files,
    })
    const running: Running = { ...opened, openAlarm, ...rates, usedRequests, care }
    seeing.running = running
    return { running, doors: await preparing }
  } finally {
    withoutPins(configuration)
  }
}

/** No listener is open before all its parts are. */
function requireRunning(running: Running | undefined): Running {
  if (running) return running
  throw new DomainError('ERR_UNAVAILABLE', 'the service is starting')
}

/** Its checkpoints are signed in whatever backend is the default one at the time. */
function openTheAudit({ paths, log, clock }: KeyHsmOptions, backends: BackendHouse) {
  return openAudit({
    directory: paths.audit,
    service: 'keyhsm',
    clock,
    onProblem: (error) => log.error({ error }, 'audit'),
    onEntries: copyAuditTo(log, 'keyhsm'),
    signer: () => toAuditSigner(backends.partitions.named()),
  })
}

/** What handing the PIN to the process of the HSM takes; its start goes on there while this one compiles. */
const headStartMs = 30

/** Compiles the routes: a third of the start, and the HSM takes as long to connect. `running` is there before they are used. */
async function prepareDoors(
  { paths, clock, log }: KeyHsmOptions,
  { live, metrics }: Pick<Running, 'live' | 'metrics'>,
  running: () => Running,
): Promise<Doors> {
  await pause(headStartMs)
  const onError: ErrorLog = (error, about) => logError(running(), error, about)
  const administrators = new AdministratorCheck(clock)
  const workshop = () => toWorkshop(running())
  const desk = makeCertificateDesk(() => running().live)
  const management = await prepareHttpServer({
    routes: makeAdminRoutes({
      workshop,
      live: () => running().live,
      signer: () => toAuditSigner(running().backends.partitions.named()),
      status: () => readRunningStatus(running()),
      log,
      reload: () => reload(running()),
      certificates: () => desk.list(),
      stop: (drainMs) => requestStop(running(), drainMs),
    }),
    identify: (peer) => administrators.identify(peer, running().live.administrators),
    onError,
  })
  const listener = await prepareHttpServer({
    tls: toTlsServing(live),
    routes: makeServiceRoutes(workshop, desk),
    identify: (peer) => identifyService(peer, running().live.trust),
    onError,
    metrics,
    clock,
  })
  return {
    management: (port) => openManagement(paths, port, management),
    listener: (address) => listener.listen(address),
  }
}

async function listen(running: Running, doors: Doors, closers: Closers): Promise<HttpServer> {
  const { o, live } = running
  running.management = await doors.management(live.settings.managementPort)
  closers.add(() => running.management?.close())
  const { address, port } = live.settings
  const inFlight = () => running.listener?.inFlight() ?? 0
  const partitions = () => running.backends.partitions
  const toLive = () => running.live
  const onError: ErrorLog = (error, about) => logError(running, error, about)
  const monitored = { ...running, partitions, log: o.log, live: toLive, inFlight, onError }
  const monitoring = await openMonitoring(monitored)
  closers.add(() => monitoring?.close())
  running.listener = await doors.listener({ host: address, port })
  closers.add(() => running.listener?.close())
  return running.listener
}

function toWorkshop(running: Running): WholeWorkshop {
  const { o, backends, audit, live, openRate, resealRate, revokeRate, usedRequests } = running
  const { scope, maxContentBytes } = live.settings
  const { clock, log } = o
  const settings = { scope, maxContentBytes }
  const { partitions } = backends
  const rates = { openRate, resealRate, revokeRate }
  return { partitions, audit, clock, log, settings, ...rates, usedRequests }
}

async function reload(running: Running) {
  const { o, backends, listener, openAlarm } = running
  const { next, house, applied, needsRestart } = await reloadLiveState({
    paths: o.paths,
    env: o.env,
    before: running.live,
    backends,
    reloadTls: (tls) => listener?.reloadTls(tls),
    reloadLog: (configuration) => o.log.configure(configuration),
  })
  running.live = next
  // What is gone finishes first; nobody who reloads waits for that.
  void backends.exchange(house).catch((error: unknown) => {
    o.log.error({ error: toDomainError(error) }, 'an HSM that was taken away cannot be closed')
  })
  openAlarm.change(next.settings.openAlarm)
  const rates = makeRates(next.settings, { clock: o.clock, alarm: openAlarm })
  // What a realm has used of an unchanged rate is remembered.
  for (const name of ['openRate', 'resealRate', 'revokeRate'] as const)
    if (rates[name].perSecond !== running[name].perSecond) running[name] = rates[name]
  for (const warning of next.logging.warnings) o.log.warn({}, warning)
  o.log.info({ applied, needsRestart }, 'settings and trust were taken over')
  return { applied, needsRestart }
}

async function stop(running: Running, closers: Closers, timeoutMs: number): Promise<void> {
  await running.listener?.drain(timeoutMs)
  await running.management?.drain(1000)
  await note(running, 'stop').catch(() => undefined)
  await closers.closeAll()
}

/** After the answer has left: whoever asked shall hear that it worked. */
function requestStop({ o, listener }: Running, drainMs: number): number {
  setImmediate(() => o.requestStop?.(drainMs))
  return listener?.inFlight() ?? 0
}

function readRunningStatus(running: Running) {
  const { o, listener, management } = running
  const address = listener?.address
  const place = address && 'host' in address ? formatAuthority(address) : 'starting'
  const door = management ? describeDoor(management) : 'starting'
  const { files, healthy, detail } = o.log.state()
  const file = files.join(', ')
  const log = { ...levelInUse(o.log), file, healthy, detail, debug: o.debug === true }
  const { partitions } = running.backends
  return readStatus({
    ...running,
    partitions,
    clock: o.clock,
    listener: place,
    management: door,
    log,
  })
}

function logError(
  running: Running,
  error: DomainError,
  { requestId, route, status }: Parameters<ErrorLog>[1],
): void {
  if (status >= 500) noticeFault(running, error)
  if (status >= 500) running.o.log.error({ error, requestId, route }, 'request failed')
  else running.o.log.info({ code: error.code, requestId, route }, error.message)
}

/** Kept for `status`. */
function noticeFault(running: Running, { code, message }: DomainError): void {
  running.lastError = { at: running.o.clock.now().toISOString(), code, message }
}

async function note({ audit, backends, live }: Running, operation: 'start' | 'stop') {
  const { name, domain, device } = backends.partitions.default
  const about = { backend: name, profile: vendorPrefix[device.hardware] }
  const known = domain === undefined ? {} : { domain }
  const subject = { version, ...about, ...known, backends: live.backends.length, pid: process.pid }
  await audit.append({ event: 'note', operation, requestId: newUuid(), actor: 'service', subject })
}

export type { Status }
