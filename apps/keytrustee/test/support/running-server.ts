/** A real Trustee Server in a temporary home: real HTTPS, real control socket, memory store unless told otherwise. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CallOptions,
  makeCertificateRequest,
  noRetry,
  Transport,
  TrusteeClient,
} from '@keyhsm/client'
import { addOrganisationRoute, type ReplyOf, type RouteSpec } from '@keyhsm/protocol'
import { type OpenLog, openLog } from '@keyhsm/service'
import { onTestFinished } from 'vitest'
import { readAdministratorKey } from '../../src/administrators.js'
import { initialise } from '../../src/initialise.js'
import { type Paths, pathsIn } from '../../src/paths.js'
import { startServer, type TrusteeServer } from '../../src/service/start-server.js'
import type { Database } from '../../src/service/database.js'
import { openMemoryStore } from '../../src/store/memory-store.js'
import type { Store } from '../../src/store/store.js'
import type { AuditLine } from './surroundings.js'

export interface RunningServer {
  readonly server: TrusteeServer
  readonly paths: Paths
  readonly store: Store
  readonly url: string
  /** PEM of the server's certificate. */
  readonly serverCertificate: string
  /** Calls a route of the control socket as the first administrator. */
  admin<Spec extends RouteSpec>(spec: Spec, o?: CallOptions<Spec>): Promise<ReplyOf<Spec>>
  auditLines(): Promise<readonly AuditLine[]>
}

export interface ServerOptions {
  /** Lines added to the settings file. */
  readonly settings?: readonly string[]
  readonly store?: Store
  readonly prepare?: (paths: Paths) => Promise<void>
  readonly log?: OpenLog
}

/** A home with everything `ktadmin init` makes, on any free port of loopback. */
export async function makeHome(settings: readonly string[] = []): Promise<Paths> {
  // Short: the path of a socket has at most 107 bytes.
  const root = await mkdtemp(join(tmpdir(), 'kt-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const paths = pathsIn(join(root, 'keytrustee'))
  await initialise(paths, { externalAddresses: [], host: '127.0.0.1', port: '0' })
  await appendFile(paths.settings, `${settings.join('\n')}\n`)
  return paths
}

export async function startTestServer(o: ServerOptions = {}): Promise<RunningServer> {
  const paths = await makeHome(o.settings)
  await o.prepare?.(paths)
  return startIn(paths, o)
}

/** Starts a server in an existing home. */
export async function startIn(paths: Paths, o: ServerOptions = {}): Promise<RunningServer> {
  const store = o.store ?? openMemoryStore()
  const database: Database = { store, close: () => Promise.resolve() }
  const log = o.log ?? openLog({ name: 'test', file: paths.logFile, level: 'debug' })
  const server: TrusteeServer = await startServer({
    paths,
    log,
    openDatabase: () => Promise.resolve(database),
    requestReload: () => server.reload(),
  })
  onTestFinished(() => server.stop(1_000))
  const control = new Transport({
    socketPath: paths.controlSocket,
    signer: await readAdministratorKey(paths, undefined),
  })
  onTestFinished(() => control.close())
  return {
    server,
    paths,
    store,
    url: `https://127.0.0.1:${server.address.port}`,
    serverCertificate: await readFile(paths.serverCertificate, 'utf8'),
    admin: (spec, options) => control.call(spec, options),
    async auditLines() {
      const lines = (await readFile(join(paths.audit, 'audit.log'), 'utf8')).trim().split('\n')
      return lines
        .map((line) => JSON.parse(line) as AuditLine)
        .filter(({ event }) => event !== undefined)
    },
  }
}

/** What a client makes before it enrols. */
export async function makeEnrolment(o: {
  readonly organisation: string
  readonly auth?: string
  readonly clientName?: string
}) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const identity = generateKeyPairSync('ed25519').publicKey
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const clientName = o.clientName ?? 'client-1'
  return {
    key,
    body: {
      organisation: o.organisation,
      ...(o.auth === undefined ? {} : { auth: o.auth }),
      clientName,
      certificateRequest: await makeCertificateRequest(key, clientName),
      identityKey: identity.export({ type: 'spki', format: 'der' }).toString('base64'),
      recipient: 'age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq',
    },
  }
}

/** A client over real TLS, with or without a certificate; each has connections of its own. */
export function connectClient(
  at: Pick<RunningServer, 'url' | 'serverCertificate'>,
  pair?: { readonly certificate: string; readonly key: string },
): TrusteeClient {
  const tls = {
    ca: [at.serverCertificate],
    ...(pair ? { cert: pair.certificate, key: pair.key } : {}),
  }
  const client = new TrusteeClient(new Transport({ url: at.url, tls }), noRetry)
  onTestFinished(() => client.close())
  return client
}

/** Adds an organisation. */
export async function addTestOrganisation(at: RunningServer, name = 'PROD') {
  return at.admin(addOrganisationRoute, { body: { name, contacts: ['root@localhost'] } })
}

/** An enrolled, active client. */
export async function enrolTestClient(
  at: RunningServer,
  o: { readonly organisation: string; readonly auth: string; readonly clientName?: string },
) {
  const { key, body } = await makeEnrolment(o)
  const enrolment = await connectClient(at).enrol(body)
  if (enrolment.certificate === undefined) throw new Error('not active')
  const pair = { certificate: enrolment.certificate, key }
  return { enrolment, pair, body, client: connectClient(at, pair) }
}

export function parseCertificate(pem: string): X509Certificate {
  return new X509Certificate(pem)
}
