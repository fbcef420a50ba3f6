/** What a reload exchanges as one: trust, administrators, TLS key and the settings that can change while running. */
import type { KeyObject } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import type { TlsServing } from '@keyhsm/service'
import { type Place, placeName } from '../backend-names.js'
import type { BackendDescription, DeviceSettings } from '../backend-configuration.js'
import type { ShownConfiguration } from '../configuration.js'
import { readNext } from '../certificates/next-certificate.js'
import { type Keystore, readKeystore } from '../keystore.js'
import type { Environment } from '../keystore-password.js'
import { type Logging, readLogging } from '../logging.js'
import { readAdministrators } from '../local-administrator.js'
import type { Paths } from '../paths.js'
import { backendSchema, commonSchema } from '../settings.js'
import { readTrustList, type TrustList } from '../trust/trust-list.js'

export interface LiveState extends ShownConfiguration {
  readonly keystore: Keystore
  /** PEM of the certificate that follows. */
  readonly nextCertificate: string | undefined
  readonly trust: TrustList
  readonly administrators: ReadonlyMap<string, KeyObject>
  readonly logging: Logging
}

/** Reads what stands beside the settings file. @throws ERR_SETTINGS for whatever is damaged or missing. */
export async function readLiveState(
  paths: Paths,
  env: Environment,
  configuration: ShownConfiguration,
): Promise<LiveState> {
  const keystore = await readKeystore(paths.keystore, env)
  if (!keystore) {
    throw new DomainError('ERR_SETTINGS', `there is no TLS key in ${paths.keystore}`, {
      hints: ['run `keyhsm setup` again: it makes what is missing and keeps the rest'],
    })
  }
  const nextCertificate = (await readNext(paths, keystore, env))?.certificate
  const trust = await readTrustList(paths.truststore)
  const administrators = await readAdministrators(paths.admin)
  const logging = await readLogging(paths, configuration.settings)
  return { ...configuration, keystore, nextCertificate, trust, administrators, logging }
}

/** How the port for Trustee Servers is served. */
export function toTlsServing({ keystore, trust }: LiveState): TlsServing {
  return {
    key: keystore.key,
    cert: keystore.certificate,
    passphrase: keystore.passphrase,
    rejectUnauthorized: true,
    trustedCertificates: trust.pems,
  }
}

/** Settings of the service that only a restart changes. */
export const fixedNames = {
  address: commonSchema.address.name,
  port: commonSchema.port.name,
  managementPort: commonSchema.managementPort.name,
  servicePort: commonSchema.servicePort.name,
  serviceAddress: commonSchema.serviceAddress.name,
} as const

/** Names of what changed but only takes effect at the next start. */
export function findRestartNeeds(before: LiveState, after: LiveState): string[] {
  const keys = Object.keys(fixedNames) as (keyof typeof fixedNames)[]
  const changed = keys.filter((key) => before.settings[key] !== after.settings[key])
  const backends = after.backends.flatMap((now, index) => {
    const old = before.backends.find(({ name }) => name === now.name)
    return old ? findBackendNeeds(old, now, index === 0 ? undefined : now.name) : []
  })
  return [...changed.map((key) => fixedNames[key]), ...backends]
}

function findBackendNeeds(
  before: BackendDescription,
  after: BackendDescription,
  place: Place,
): string[] {
  const changed = (['domain', 'wrap'] as const).filter(
    (key) => before.settings[key] !== after.settings[key],
  )
  const taken = withPins(before.device, after.device)
  const sameDevice = JSON.stringify(taken) === JSON.stringify(after.device)
  const device = `the HSM${place === undefined ? '' : ` ${place}`} and its token`
  return [
    ...changed.map((key) => placeName(backendSchema[key].name, place)),
    ...(sameDevice ? [] : [device]),
  ]
}

/** The device as it is connected, but for the certificates that it may show: those can change while it is. */
export function withPins(before: DeviceSettings, after: DeviceSettings): DeviceSettings {
  const [old, next] = [before, after].map((device) =>
    device.hardware === 'keysecure' ? device : undefined,
  )
  return old?.tls && next?.tls ? { ...old, tls: next.tls } : before
}
