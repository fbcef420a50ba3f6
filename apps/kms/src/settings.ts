/** The names of `kms.properties`: what concerns this program alone. What Hadoop has names for stands in `kms-site.xml`. */
import { isAbsolute, join } from 'node:path'
import { readFile } from 'node:fs/promises'
import { DomainError } from '@keyhsm/core'
import {
  duration,
  integer,
  logLevels,
  oneOf,
  parseAddress,
  parseAnyPath,
  parseSettings,
  type SettingsOf,
  settingsSchema,
  size,
} from '@keyhsm/service'
import type { Paths } from './paths.js'

export const kmsSchema = settingsSchema({
  host: {
    name: 'keytrustee-kms.host',
    parse: parseAddress,
    describe:
      'IP address of the listener; absent: hadoop.kms.http.host, else 0.0.0.0 (127.0.0.1 without TLS)',
  },
  port: {
    name: 'keytrustee-kms.port',
    parse: integer(0, 65535),
    describe:
      'port of the listener; absent: hadoop.kms.http.port, else 9600 (old clients expect 16000)',
  },
  tls: {
    name: 'keytrustee-kms.tls',
    default: 'on',
    parse: oneOf(['on', 'off']),
    describe: 'off: plain HTTP, on a loopback address only',
  },
  plainAnywhere: {
    name: 'keytrustee-kms.plain-http-anywhere',
    default: 'false',
    parse: truth,
    describe: 'true: plain HTTP on any address; whoever listens on the wire then reads data keys',
  },
  certificate: {
    name: 'keytrustee-kms.tls.certificate',
    default: 'tls/kms.pem',
    parse: parseAnyPath,
    describe: 'certificate shown to clients, PEM; relative to the folder of this file',
  },
  key: {
    name: 'keytrustee-kms.tls.key',
    default: 'tls/kms.key',
    parse: parseAnyPath,
    describe: 'its private key, PEM',
  },
  configuration: {
    name: 'keytrustee-kms.conf',
    default: 'conf',
    parse: parseAnyPath,
    describe: 'folder of kms-site.xml, core-site.xml and kms-acls.xml',
  },
  cacheMs: {
    name: 'keytrustee-kms.cache',
    parse: duration(0, 86400e3),
    describe:
      'how long an opened zone key is used; 0s: each operation opens the deposit through the HSM; absent: hadoop.kms.cache.timeout.ms (10 minutes)',
  },
  cacheUses: {
    name: 'keytrustee-kms.cache.uses',
    default: '1000000',
    parse: integer(1, 1e12),
    describe: 'operations that an opened zone key is used for at most',
  },
  describeMs: {
    name: 'keytrustee-kms.cache.descriptions',
    parse: duration(0, 86400e3),
    describe:
      'how long versions and attributes of a key are believed without asking; absent: hadoop.kms.current.key.cache.timeout.ms (30 seconds)',
  },
  tokenCacheMs: {
    name: 'keytrustee-kms.cache.tokens',
    default: '5s',
    parse: duration(0, 3600e3),
    describe: 'how long a delegation token is believed to be not cancelled',
  },
  exportMaterial: {
    name: 'keytrustee-kms.material.export',
    default: 'false',
    parse: truth,
    describe:
      'true: raw key material is answered to those with the GET ACL, as Hadoop’s own KMS does',
  },
  exportKeystore: {
    name: 'keytrustee-kms.keystore.export',
    default: 'false',
    parse: truth,
    describe: 'true: `keytrustee-kms export` may write zone keys into a Java keystore; audited',
  },
  keysPerCall: {
    name: 'keytrustee-kms.limit.keys-per-call',
    default: '1000',
    parse: integer(1, 100_000),
    describe: 'most encrypted keys of one generate call',
  },
  batch: {
    name: 'keytrustee-kms.limit.batch',
    default: '50000',
    parse: integer(1, 1_000_000),
    describe: 'most entries of one re-encryption batch',
  },
  repeatMs: {
    name: 'keytrustee-kms.repeat-window',
    default: '10s',
    parse: duration(0, 600e3),
    describe: 'how long a repeated create, roll or delete is recognised; 0s: never',
  },
  auditWait: {
    name: 'keytrustee-kms.audit.wait',
    default: 'all',
    parse: oneOf(['all', 'keys']),
    describe:
      'all: every answer waits until its audit entry is on disk; keys: only answers with keys, changes and refusals do',
  },
  logLevel: {
    name: 'keytrustee-kms.log.level',
    parse: oneOf(logLevels),
    describe: 'least level that is logged; absent: as conf/logback.xml says',
  },
  logBytes: {
    name: 'keytrustee-kms.log.size',
    parse: size(64 * 1024, 2 ** 40),
    describe:
      'size at which a log file is rolled; absent: as conf/logback.xml says, and 10M for kms-audit.log',
  },
  logFiles: {
    name: 'keytrustee-kms.log.keep',
    parse: integer(1, 1000),
    describe:
      'rolled log files that are kept; absent: as conf/logback.xml says, and 10 for kms-audit.log',
  },
})

export type Settings = SettingsOf<typeof kmsSchema>

export const settingsFileName = 'kms.properties'

/** @throws ERR_SETTINGS with every fault and its line; when the file is missing, naming `keytrustee-kms init`. */
export async function readSettings(paths: Pick<Paths, 'settings'>): Promise<Settings> {
  return parseSettings(await readSettingsText(paths), kmsSchema, settingsFileName)
}

/** @throws ERR_SETTINGS when the file is missing. */
export async function readSettingsText(paths: Pick<Paths, 'settings'>): Promise<string> {
  return readFile(paths.settings, 'utf8').catch((cause: unknown) => {
    throw new DomainError('ERR_SETTINGS', `${settingsFileName} cannot be read`, {
      cause,
      hints: ['make it with: keytrustee-kms init --server URL --org ORGANISATION'],
    })
  })
}

/** A path of the settings, which may be relative to the KMS's folder. */
export function settingPath(paths: Pick<Paths, 'root'>, path: string): string {
  return isAbsolute(path) ? path : join(paths.root, path)
}

function truth(text: string, field: string): boolean {
  return oneOf(['true', 'false'])(text, field) === 'true'
}
