/** The KMS, put together: everything it needs is opened in order, or nothing stays open. */
import { type Clock, DomainError, systemClock, toDomainError } from '@keyhsm/core'
import {
  bindLogLevel,
  bindReload,
  bindRoute,
  Closers,
  meterService,
  logReloaded,
  openMetrics,
  type Reloaded,
  type HttpServer,
  type Metrics,
  startForeignServer,
  startHttpServer,
  watchWarnings,
} from '@keyhsm/service'
import { localReloadRoute } from '@keyhsm/protocol'
import { readProxyUsers } from '../access/proxy-users.js'
import { toErrorReply, toRemoteError } from '../api/remote-error.js'
import { parseNameRules } from '../authentication/auth-to-local.js'
import { Authenticator, type Negotiator } from '../authentication/authenticator.js'
import { readDefaultRealm } from '../authentication/default-realm.js'
import { openNegotiator } from '../authentication/spnego.js'
import { TokenOperations } from '../authentication/token-operations.js'
import { careOfKms } from '../care.js'
import { kmsMeters } from '../metrics/gauges.js'
import { handleRequest, type RequestContext } from './handle-request.js'
import { startHousekeeping } from './housekeeping.js'
import {
  describeReload,
  type LiveSettings,
  readLiveSettings,
  toApiSettings,
} from './live-settings.js'
import { type KmsOptions, type OpenKms, openKms } from './open-kms.js'
import { kmsLogLevelRoute, kmsStatusRoute } from './control-routes.js'
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

const renewedWords = 'another certificate for the Trustee Server'
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
  let live = await readLiveSettings(o.paths)
  for (const remark of live.remarks) o.log.warn({}, remark)
  const metrics = await openMetrics('keytrustee_kms')
  closers.add(() => metrics.close())
  const opened = await openKms({ ...o, metrics }, () => live, closers)
  let negotiator = await openNegotiator(live.site, o.clock)
  let authenticator = await makeAuthenticator(o, opened, { live, negotiator })
  const server = await openPort(
    o,
    live,
    makeContext(o, opened, { metrics, live: () => live, authenticator: () => authenticator }),
  )
  closers.add(() => server.close())
  const address = server.address as { readonly host: string; readonly port: number }
  const startedAt = o.clock.now()
  const clientCertificate = () => opened.connection.client.certificate
  const care = careOfKms({ clock: o.clock, paths: o.paths, clientCertificate, live: () => live })
  meterService(metrics, { log: o.log, care })
  const status = () => readStatus({ opened, live, startedAt, address, care, log: o.log })
  const control = await openControlSocket(o, status)
  closers.add(() => control.close())
  closers.add(startHousekeeping(opened, o.log, () => live))
  closers.add(watchWarnings(care, o.log))
  return {
    address,
    scheme: live.tls ? 'https' : 'http',
    async stop(timeoutMs) {
      await Promise.all([server.drain(timeoutMs), control.drain(timeoutMs)])
      await closers.closeAll()
    },
    async reload() {
      const next = await readLiveSettings(o.paths)
      const nextNegotiator = await openNegotiator(next.site, o.clock)
      const nextAuthenticator = await makeAuthenticator(o, opened, {
        live: next,
        negotiator: nextNegotiator,
      })
      // What can be refused comes first: a faulty file changes nothing.
      await opened.aclFile.reload()
      if (next.tls && live.tls) server.reloadTls(next.tls)
      const renewed = await opened.connection.renew(o.clock.now())
      for (const remark of next.remarks) o.log.warn({}, remark)
      const described = describeReload(live, next)
      const applied = [...described.applied, ...(renewed ? [renewedWords] : [])]
      const reloaded = logReloaded(o.log, { ...described, applied })
      live = next
      negotiator = nextNegotiator
      authenticator = nextAuthenticator
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
  now: {
    readonly metrics: Metrics
    readonly live: () => LiveSettings
    readonly authenticator: () => Authenticator
  },
): RequestContext {
  const { keys, aclFile, groups, trail: audit, meters } = opened
  const kms = {
    keys,
    groups,
    audit,
    meters,
    clock: o.clock,
    acls: () => aclFile.current(),
    settings: () => toApiSettings(now.live()),
  }
  now.metrics.meters(kmsMeters).openedKeys.from(() => keys.versions.size)
  return {
    kms,
    metrics: now.metrics,
    get authenticator() {
      return now.authenticator()
    },
    get processName() {
      return now.live().site.processName
    },
    onFault: (error, requestId) =>
      o.log.warn({ error: toDomainError(error), requestId }, 'a request could not be served'),
  }
}

async function makeAuthenticator(
  { clock, log }: Pick<KmsOptions, 'clock' | 'log'>,
  { secrets, states, trail, groups }: OpenKms,
  {
    live,
    negotiator,
  }: { readonly live: LiveSettings; readonly negotiator: Negotiator | undefined },
): Promise<Authenticator> {
  const { authentication, tokens } = live.site
  const warn = (words: string) => log.warn({}, words)
  if (authentication.type === 'kerberos' && !negotiator)
    throw new DomainError('ERR_SETTINGS', 'kerberos cannot be used without a keytab')
  return new Authenticator({
    settings: { ...authentication, signatureSecret: live.signatureSecret },
    secrets,
    tokens: new TokenOperations({
      secrets,
      states,
      audit: trail,
      clock,
      maxLifetimeMs: () => tokens.maxLifetimeMs,
      scheme: authentication.type === 'kerberos' ? 'Negotiate' : 'PseudoAuth',
    }),
    rules: parseNameRules(authentication.nameRules, {
      mechanism: authentication.nameRulesMechanism,
      defaultRealm: await readDefaultRealm(process.env),
      field: 'hadoop.kms.authentication.kerberos.name.rules',
    }),
    proxies: await readProxyUsers(live.configuration, groups, warn),
    negotiator,
    clock,
    onUnauthenticated: ({ method, path, peerAddress }, message, caller) =>
      trail.record({
        status: 'UNAUTHENTICATED',
        caller,
        peerAddress,
        message: `RemoteHost:${peerAddress} Method:${method} URL:${path} ErrorMsg:'${message}'`,
      }),
  })
}
