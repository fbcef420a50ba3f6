/** What a reload exchanges as one: settings, TLS pair, administrators. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import type { Succession } from '@keyhsm/protocol'
import { changedSettings, type Reloaded, type TlsServing } from '@keyhsm/service'
import { readAdministrators } from '../administrators.js'
import { readAuthorities, trustedAuthorities } from '../certificates/authorities.js'
import { readPassphrase } from '../certificates/roll-server.js'
import { readSuccessions } from '../certificates/successions.js'
import { type ClientAuthority, openClientAuthority } from '../clients/client-authority.js'
import { readPrivateText, readText } from '../files.js'
import type { Paths } from '../paths.js'
import { readSettings, type Settings, settingPath, toLimits, trusteeSchema } from '../settings.js'
import type { Limits } from '../trustee.js'

export interface LiveState {
  readonly settings: Settings
  readonly limits: Limits
  readonly tls: TlsServing
  readonly certificate: X509Certificate
  readonly administrators: ReadonlyMap<string, KeyObject>
  readonly authority: ClientAuthority
  /** PEM of every authority whose certificates are admitted, the present one first. */
  readonly authorities: readonly string[]
  readonly successions: readonly Succession[]
  /** Shown to Key HSM. */
  readonly keyHsmClientCertificate: X509Certificate
}

/** @throws ERR_SETTINGS for whatever is missing, damaged or does not fit together. */
export async function readLiveState(paths: Paths, now: Date): Promise<LiveState> {
  const settings = await readSettings(paths)
  const cert = await readText(settingPath(paths, settings.certificate))
  const key = await readPrivateText(settingPath(paths, settings.key))
  const passphrase = await readPassphrase(paths, settings)
  const certificate = requirePair(cert, key, passphrase)
  const own = await readAuthorities(paths)
  const authorities = trustedAuthorities(own, now)
  const keyHsmClient = await readText(paths.keyHsmClientCertificate)
  return {
    settings,
    authorities,
    authority: openClientAuthority(own, authorities.slice(1)),
    successions: await readSuccessions(paths),
    keyHsmClientCertificate: new X509Certificate(keyHsmClient),
    limits: toLimits(settings),
    certificate,
    administrators: await readAdministrators(paths),
    tls: {
      cert,
      key,
      ...(passphrase === undefined ? {} : { passphrase }),
      // Enrolment and the two pages of the old product serve peers without a certificate.
      rejectUnauthorized: false,
      trustedCertificates: authorities,
    },
  }
}

/** The same state with the authorities that the files have now, whatever became of the settings. @throws ERR_SETTINGS */
export async function withAuthorities(
  live: LiveState,
  paths: Paths,
  now: Date,
): Promise<LiveState> {
  const own = await readAuthorities(paths)
  const authorities = trustedAuthorities(own, now)
  const authority = openClientAuthority(own, authorities.slice(1))
  return {
    ...live,
    authorities,
    authority,
    tls: { ...live.tls, trustedCertificates: authorities },
  }
}

/** Settings that changed but take effect only at the next start. */
function findRestartNeeds(before: Settings, after: Settings): readonly string[] {
  const names = {
    host: 'keytrustee.server.host',
    port: 'keytrustee.server.port',
    sealing: 'keytrustee.sealing',
    databaseUrl: 'keytrustee.database.url',
    standbyMaxStalenessMs: 'keytrustee.standby.max-staleness',
    monitoringAddress: 'keytrustee.monitoring.address',
    monitoringPort: 'keytrustee.monitoring.port',
    resealEveryMs: 'keytrustee.reseal.every',
  } as const
  return Object.entries(names)
    .filter(([key]) => before[key as keyof typeof names] !== after[key as keyof typeof names])
    .map(([, name]) => name)
}

/** What of the new state counts from now on, and what at the next start. */
export function describeReload(before: LiveState, next: LiveState): Reloaded {
  const needsRestart = findRestartNeeds(before.settings, next.settings)
  const changed = changedSettings(trusteeSchema, before.settings, next.settings).filter(
    (name) => !needsRestart.includes(name),
  )
  const names = ({ administrators }: LiveState) => [...administrators.keys()].sort().join(', ')
  const rules: readonly (readonly [boolean, string])[] = [
    [
      before.certificate.fingerprint256 !== next.certificate.fingerprint256,
      'another TLS certificate',
    ],
    [before.authorities.join() !== next.authorities.join(), 'other authorities of clients'],
    [names(before) !== names(next), `administrators: ${names(next)}`],
    [changed.length > 0, `settings: ${changed.join(', ')}`],
  ]
  const applied = rules.filter(([holds]) => holds).map(([, line]) => line)
  return { applied, needsRestart: [...needsRestart] }
}

function requirePair(cert: string, key: string, passphrase: string | undefined): X509Certificate {
  try {
    const certificate = new X509Certificate(cert)
    const privateKey = createPrivateKey({
      key,
      ...(passphrase === undefined ? {} : { passphrase }),
    })
    if (certificate.checkPrivateKey(privateKey)) return certificate
  } catch (cause) {
    throw new DomainError(
      'ERR_SETTINGS',
      'the server’s certificate or private key cannot be read',
      {
        cause,
        hints: ['a password-protected key needs keytrustee.tls.key-passphrase-file'],
      },
    )
  }
  throw new DomainError(
    'ERR_SETTINGS',
    'the server’s private key does not belong to its certificate',
  )
}
