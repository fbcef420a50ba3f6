/** What a reload exchanges as one: settings, configuration files, TLS pair. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { DomainError } from '@keyhsm/core'
import { kmsSchema, readSettings, type Settings, settingPath } from '../settings.js'
import { changedSettings, type Reloaded, type TlsServing } from '@keyhsm/service'
import type { ApiSettings } from '../api/call.js'
import { type Configuration, readConfiguration } from '../configuration/configuration.js'
import { type KmsSite, readKmsSite } from '../configuration/kms-site.js'
import { oldEnvironmentFile, readOldEnvironment } from '../configuration/old-environment.js'
import { finishServerSwap } from '../identity/server-pair.js'
import type { Paths } from '../paths.js'
import type { CacheLimits } from '../zone-keys/version-cache.js'

export interface LiveSettings {
  readonly settings: Settings
  readonly configuration: Configuration
  readonly site: KmsSite
  /** What the configuration files say without effect; for log and status. */
  readonly remarks: readonly string[]
  /** Undefined: plain HTTP. */
  readonly tls: TlsServing | undefined
  readonly listen: { readonly host: string; readonly port: number; readonly backlog: number }
  readonly signatureSecret: Buffer | undefined
  readonly aclFile: string
}

const defaultPort = 9600

/** @throws ERR_SETTINGS for whatever is missing, damaged or does not fit together. */
export async function readLiveSettings(paths: Paths): Promise<LiveSettings> {
  const settings = await readSettings(paths)
  const folder = settingPath(paths, settings.configuration)
  const files = ['core-site.xml', 'kms-site.xml'].map((name) => join(folder, name))
  const old = await readOldEnvironment(join(folder, oldEnvironmentFile), process.env)
  const configuration = new Map([...(await readConfiguration(files, process.env)), ...old.values])
  const { site, remarks } = readKmsSite(configuration)
  return {
    settings,
    configuration,
    site,
    remarks: [...remarks, ...old.remarks, ...tellSslServer(join(folder, 'ssl-server.xml'))],
    tls: settings.tls === 'on' ? await readTls(paths, settings) : undefined,
    listen: readListen(settings, site),
    signatureSecret: await readSignatureSecret(site),
    aclFile: join(folder, 'kms-acls.xml'),
  }
}

/** It is no part of the configuration here, but operators bring it with the rest. */
function tellSslServer(path: string): readonly string[] {
  const cure = `keytrustee-kms cert import --ssl-server ${path} takes its certificate over`
  return existsSync(path) ? [`ssl-server.xml has no effect: ${cure}, then remove it`] : []
}

function readListen(settings: Settings, site: KmsSite) {
  const plain = settings.tls === 'off'
  const host = settings.host ?? site.host ?? (plain ? '127.0.0.1' : '0.0.0.0')
  if (plain && !settings.plainAnywhere && !isLoopback(host))
    throw new DomainError(
      'ERR_SETTINGS',
      `plain HTTP is served on loopback addresses only, not on ${host}`,
      {
        hints: [
          'set keytrustee-kms.tls=on, or keytrustee-kms.host=127.0.0.1,',
          'or keytrustee-kms.plain-http-anywhere=true where nobody else can read the network',
        ],
      },
    )
  return { host, port: settings.port ?? site.port ?? defaultPort, backlog: site.http.backlog }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

async function readTls(paths: Paths, settings: Settings): Promise<TlsServing> {
  await finishServerSwap(paths, settings)
  const [cert, key] = await Promise.all(
    [settings.certificate, settings.key].map((path) =>
      readFile(settingPath(paths, path), 'utf8').catch((cause: unknown) => {
        throw new DomainError('ERR_SETTINGS', `the TLS file ${path} cannot be read`, { cause })
      }),
    ),
  )
  const pair = { cert: cert ?? '', key: key ?? '' }
  if (!isPair(pair))
    throw new DomainError(
      'ERR_SETTINGS',
      'the TLS certificate and private key cannot be used, or are not a pair',
    )
  // Callers prove who they are by Hadoop's means: a certificate is not asked for.
  return { ...pair, rejectUnauthorized: false, requestCertificate: false, trustedCertificates: [] }
}

function isPair({ cert, key }: { readonly cert: string; readonly key: string }): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

/** The bytes of the file exactly, a line end included: other programs that share it read it so. */
async function readSignatureSecret(site: KmsSite): Promise<Buffer | undefined> {
  const { signerProvider, signatureSecretFile } = site.authentication
  if (signerProvider !== 'file') return undefined
  if (signatureSecretFile === undefined)
    throw new DomainError(
      'ERR_SETTINGS',
      'hadoop.kms.authentication.signature.secret.file is missing, which the provider file needs',
    )
  const secret = await readFile(signatureSecretFile).catch((cause: unknown) => {
    throw new DomainError('ERR_SETTINGS', 'the cookie signature secret cannot be read', { cause })
  })
  if (secret.length === 0)
    throw new DomainError('ERR_SETTINGS', 'the cookie signature secret is empty')
  return secret
}

export function toApiSettings({ settings, site }: LiveSettings): ApiSettings {
  return {
    defaultCipher: site.defaultCipher,
    defaultBits: site.defaultBits,
    keyAuthorization: site.keyAuthorization,
    exportMaterial: settings.exportMaterial,
    maxKeysPerCall: settings.keysPerCall,
    maxBatch: settings.batch,
  }
}

/** Our own setting first, then Hadoop's name for it. */
export function toCacheLimits({ settings, site }: LiveSettings): CacheLimits {
  const maxAgeMs = settings.cacheMs ?? (site.cacheEnabled ? site.cacheMs : 0)
  return { maxAgeMs, maxUses: settings.cacheUses }
}

/** How long a description is believed. */
export function descriptionAgeMs({ settings, site }: LiveSettings): number {
  return settings.describeMs ?? (site.cacheEnabled ? site.currentKeyCacheMs : 0)
}

/** Settings that are not those of the start and take effect only at the next one. */
function findRestartNeeds(started: LiveSettings, after: LiveSettings): readonly string[] {
  const changed = (name: string, isChanged: boolean) => (isChanged ? [name] : [])
  return [
    ...changed('keytrustee-kms.host', started.listen.host !== after.listen.host),
    ...changed('keytrustee-kms.port', started.listen.port !== after.listen.port),
    ...changed('hadoop.http.*', !isDeepStrictEqual(started.site.http, after.site.http)),
    ...changed('keytrustee-kms.tls', started.settings.tls !== after.settings.tls),
  ]
}

/** What of the new settings counts from now on, and what at the next start. */
export function describeReload(o: {
  readonly started: LiveSettings
  readonly before: LiveSettings
  readonly after: LiveSettings
}): Reloaded {
  const { started, before, after } = o
  const needsRestart = findRestartNeeds(started, after)
  const changed = changedSettings(kmsSchema, before.settings, after.settings).filter(
    (name) => !needsRestart.includes(name),
  )
  const differ = (of: (live: LiveSettings) => unknown) => !isDeepStrictEqual(of(before), of(after))
  const rules: readonly (readonly [boolean, string])[] = [
    [differ(({ tls }) => tls?.cert), 'another TLS certificate'],
    [differ(readAtAnyTime), 'another configuration (kms-site.xml)'],
    [differ(({ signatureSecret }) => signatureSecret), 'another secret that signs cookies'],
    [changed.length > 0, `settings: ${changed.join(', ')}`],
  ]
  const applied = rules.filter(([holds]) => holds).map(([, line]) => line)
  return { applied, needsRestart: [...needsRestart] }
}

/** What the configuration files say, but for the listener, which is opened once. */
function readAtAnyTime({ configuration }: LiveSettings): ReadonlyMap<string, string> {
  const ofListener = /^hadoop\.(?:kms\.)?http\./
  return new Map(
    [...configuration].flatMap(([name, { text }]) => (ofListener.test(name) ? [] : [[name, text]])),
  )
}
