/** The KMS, put together: everything it needs is opened in order, or nothing stays open. */
import { type Clock, systemClock, toDomainError } from '@keyhsm/core'
import {
  bindLogLevel,
  bindReload,
  bindRoute,
  Closers,
  meterService,
  openMetrics,
  type Reloaded,
  type HttpServer,
  type Metrics,
  startForeignServer,
  startHttpServer,
  watchWarnings,
} from '@keyhsm/service'
import { localReloadRoute } from '@keyhsm/protocol'
import { toErrorReply, toRemoteError } from '../api/remote-error.js'
import { careOfKms } from '../care.js'
import { kmsMeters } from '../metrics/gauges.js'
import { handleRequest, type RequestContext } from './handle-request.js'
import { startHousekeeping } from './housekeeping.js'
import { type LiveSettings, readLiveSettings, toApiSettings } from './live-settings.js'
import { buildLiveState, type LiveState } from './live-state.js'
import { type KmsOptions, type OpenKms, openKms } from './open-kms.js'
import { kmsLogLevelRoute, kmsStatusRoute } from './control-routes.js'
import { reloadLiveState } from './reload.js'
import { readStatus } from './status.js'

export interface StartOptions extends Omit<KmsOptions, 'clock' | 'metrics'> {
  readonly clock?: Clock
  /** Reloads as SIGHUP does. */
  readonly requestReload: () => Promise<Reloaded>
}

export interface RunningKms {
  readonly address: { readonly host: string; readonly port: number }
  readonly scheme: 'http' | 'https'
  stop(timeoutMs: number): Promise<void>
  /** Reads settings, configuration, ACLs and TLS pair anew. @throws ERR_SETTINGS; the old ones stay in use. */
  reload(): Promise<Reloaded>
}

const maxBodyBytes = 16 * 1024 * 1024
const maxConnections = 8192
/** Less than the 60 seconds that Hadoop's client waits. */
const deadlineMs = 55_000

/** @throws ERR_SETTINGS, ERR_UNAVAILABLE (port taken, Trustee Server not to be asked), ERR_AUDIT_UNAVAILABLE; nothing stays open. */
export async function startKms(o: StartOptions): Promise<RunningKms> {
  const closers = new Closers()
  try {
    return await open({ ...o, clock: o.clock ?? systemClock }, closers)
  } catch (error) {
    await closers.closeAll().catch(() => undefined)
    throw error
  }
}

async function open(
  o: Omit<KmsOptions, 'metrics'> & Pick<StartOptions, 'requestReload'>,
  closers: Closers,
): Promise<RunningKms> {
  const started = await readLiveSettings(o.paths)
  for (const remark of started.remarks) o.log.warn({}, remark)
  let state: LiveState | undefined
  const live = () => state?.live ?? started
  const metrics = await openMetrics('keytrustee_kms')
  closers.add(() => metrics.close())
  const opened = await openKms({ ...o, metrics }, live, closers)
  const first = await buildLiveState(o, opened, started)
  state = first
  const now = () => state ?? first
  const server = await openPort(o, started, makeContext(o, opened, { metrics, now }))
  closers.add(() => server.close())
  const address = server.address as { readonly host: string; readonly port: number }
  const startedAt = o.clock.now()
  const clientCertificate = () => opened.connection.client.certificate
  const care = careOfKms({ clock: o.clock, paths: o.paths, clientCertificate, live })
  meterService(metrics, { log: o.log, care })
  const status = () => readStatus({ opened, live: live(), startedAt, address, care, log: o.log })
  const control = await openControlSocket(o, status)
  closers.add(() => control.close())
  closers.add(startHousekeeping(opened, o.log, live))
  closers.add(watchWarnings(care, o.log))
  return {
    address,
    scheme: started.tls ? 'https' : 'http',
    async stop(timeoutMs) {
      await Promise.all([server.drain(timeoutMs), control.drain(timeoutMs)])
      await closers.closeAll()
    },
    async reload() {
      const { next, reloaded } = await reloadLiveState({ ...o, opened, server, started }, now())
      state = next
      return reloaded
    },
  }
}

function openControlSocket(
  o: Pick<StartOptions, 'paths' | 'log' | 'requestReload'>,
  status: () => ReturnType<typeof readStatus>,
): Promise<HttpServer> {
  return startHttpServer({
    listen: { socketPath: o.paths.controlSocket },
    routes: [
      bindRoute(kmsStatusRoute, status),
      bindLogLevel(o.log, kmsLogLevelRoute),
      bindReload(o.requestReload, localReloadRoute),
    ],
    identify: () => undefined,
    onError: (error) => o.log.debug({ error }, 'a command was refused'),
  })
}

function openPort(
  o: Pick<KmsOptions, 'log'>,
  live: LiveSettings,
  context: RequestContext,
): Promise<HttpServer> {
  const { maxHeaderBytes, idleTimeoutMs } = live.site.http
  return startForeignServer({
    listen: live.listen,
    ...(live.tls ? { tls: live.tls } : {}),
    limits: { maxHeaderBytes, idleTimeoutMs, maxConnections },
    maxBodyBytes,
    deadlineMs,
    handle: (request) => handleRequest(context, request),
    refuse: (error) => toErrorReply(toRemoteError(error)),
    onError: (error, at) => o.log.warn({ ...at, error }, 'a request could not be answered'),
  })
}

function makeContext(
  o: Pick<KmsOptions, 'clock' | 'log'>,
  opened: OpenKms,
  { metrics, now }: { readonly metrics: Metrics; readonly now: () => LiveState },
): RequestContext {
  const { keys, aclFile, trail: audit, meters } = opened
  const kms = {
    keys,
    audit,
    meters,
    clock: o.clock,
    acls: () => aclFile.current(),
    settings: () => toApiSettings(now().live),
    get groups() {
      return now().groups
    },
  }
  metrics.meters(kmsMeters).openedKeys.from(() => keys.versions.size)
  return {
    kms,
    metrics,
    get authenticator() {
      return now().authenticator
    },
    get processName() {
      return now().live.site.processName
    },
    onFault: (error, requestId) =>
      o.log.warn({ error: toDomainError(error), requestId }, 'a request could not be served'),
  }
}
