/** What a reload exchanges as one: trust, administrators, TLS key and the settings that can change while running. */
import type { KeyObject } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import type { TlsServing } from '@keyhsm/service'
import type { CommonSettings, Configuration, DeviceSettings } from '../configuration.js'
import { readNext } from '../certificates/next-certificate.js'
import { type Keystore, readKeystore } from '../keystore.js'
import { type Logging, readLogging } from '../logging.js'
import { readAdministrators } from '../local-administrator.js'
import type { Paths } from '../paths.js'
import { readTrustList, type TrustList } from '../trust/trust-list.js'

export interface LiveState {
  readonly settings: CommonSettings
  readonly device: DeviceSettings
  readonly keystore: Keystore
  /** PEM of the certificate that follows. */
  readonly nextCertificate: string | undefined
  readonly trust: TrustList
  readonly administrators: ReadonlyMap<string, KeyObject>
  readonly logging: Logging
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Reads what stands beside the settings file. @throws ERR_SETTINGS for whatever is damaged or missing. */
export async function readLiveState(
  paths: Paths,
  env: Environment,
  { settings, device }: Omit<Configuration, 'pin'>,
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
  const logging = await readLogging(paths, settings)
  return { settings, device, keystore, nextCertificate, trust, administrators, logging }
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

/** Names of what changed but only takes effect at the next start. */
export function findRestartNeeds(before: LiveState, after: LiveState): string[] {
  const names: Readonly<Partial<Record<keyof CommonSettings, string>>> = {
    address: 'keyhsm.management.address',
    port: 'keyhsm.server.port',
    managementPort: 'keyhsm.management.port',
    servicePort: 'keyhsm.service.port',
    serviceAddress: 'keyhsm.service.address',
    domain: 'keyhsm.partition.domain',
    wrap: 'keyhsm.wrap',
  }
  const changed = Object.entries(names).filter(
    ([key]) =>
      before.settings[key as keyof CommonSettings] !== after.settings[key as keyof CommonSettings],
  )
  const taken = withPins(before.device, after.device)
  const device = JSON.stringify(taken) === JSON.stringify(after.device)
  return [...changed.map(([, name]) => name), ...(device ? [] : ['the HSM and its token'])]
}

/** The device as it is connected, but for the certificates that it may show: those can change while it is. */
export function withPins(before: DeviceSettings, after: DeviceSettings): DeviceSettings {
  const [old, next] = [before, after].map((device) =>
    device.hardware === 'keysecure' ? device : undefined,
  )
  return old?.tls && next?.tls ? { ...old, tls: next.tls } : before
}
