/** The names of `keytrustee.properties` and what may stand behind them. */
import { isAbsolute, join } from 'node:path'
import { invalidInput } from '@keyhsm/core'
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
import { readText } from './files.js'
import type { Paths } from './paths.js'
import type { Limits } from './trustee.js'

export const trusteeSchema = settingsSchema({
  host: {
    name: 'keytrustee.server.host',
    default: '0.0.0.0',
    parse: parseAddress,
    describe: 'IP address of the listener for clients',
  },
  port: {
    name: 'keytrustee.server.port',
    default: '11371',
    parse: integer(0, 65535),
    describe: 'HTTPS port for clients',
  },
  monitoringAddress: {
    name: 'keytrustee.monitoring.address',
    default: '127.0.0.1',
    parse: parseAddress,
    describe: 'IP address of metrics and health',
  },
  monitoringPort: {
    name: 'keytrustee.monitoring.port',
    default: '0',
    parse: integer(0, 65535),
    describe: 'port of metrics and health; 0: not served',
  },
  certificate: {
    name: 'keytrustee.tls.certificate',
    default: '.ssl/ssl-cert-keytrustee.pem',
    parse: parseAnyPath,
    describe: 'certificate shown to clients, PEM; relative to the folder of this file',
  },
  key: {
    name: 'keytrustee.tls.key',
    default: '.ssl/ssl-cert-keytrustee-pk.pem',
    parse: parseAnyPath,
    describe: 'its private key, PEM',
  },
  keyPassphraseFile: {
    name: 'keytrustee.tls.key-passphrase-file',
    parse: parseAnyPath,
    describe: 'file (0600) with the passphrase of a password-protected private key',
  },
  externalAddresses: {
    name: 'keytrustee.server.external-address',
    default: '',
    parse: parseList,
    describe: 'names and addresses by which clients reach this server, in its certificate',
  },
  sealing: {
    name: 'keytrustee.sealing',
    default: 'hsm',
    parse: oneOf(['hsm', 'pass-through']),
    describe:
      'hsm: deposits are refused until a Key HSM is joined; pass-through: until then they are stored as they come',
  },
  contentBytes: {
    name: 'keytrustee.content.max-bytes',
    default: '1M',
    parse: size(1, 16 * 2 ** 20),
    describe: 'largest content of a deposit, at most 16M',
  },
  depositsPerClient: {
    name: 'keytrustee.quota.deposits-per-client',
    default: '100000',
    parse: integer(1, 1e9),
    describe: 'most deposits of one client',
  },
  depositsPerOrganisation: {
    name: 'keytrustee.quota.deposits-per-organisation',
    default: '1000000',
    parse: integer(1, 1e9),
    describe: 'most deposits of one organisation',
  },
  hsmKeysPerHourPerClient: {
    name: 'keytrustee.quota.hsm-keys-per-hour-per-client',
    default: '10000',
    parse: integer(1, 1e9),
    describe: 'most HSM keys made for one client within an hour',
  },
  hsmKeysPerHourPerOrganisation: {
    name: 'keytrustee.quota.hsm-keys-per-hour-per-organisation',
    default: '50000',
    parse: integer(1, 1e9),
    describe: 'most HSM keys made for one organisation within an hour',
  },
  waitingClientsPerOrganisation: {
    name: 'keytrustee.quota.waiting-clients-per-organisation',
    default: '100',
    parse: integer(0, 1e6),
    describe: 'most clients of one organisation that may wait for approval',
  },
  undeleteMs: {
    name: 'keytrustee.undelete.window',
    default: '30d',
    parse: duration(60e3, 3650 * 86400e3),
    describe: 'how long the removal of a deposit can be undone',
  },
  pruneMinAgeMs: {
    name: 'keytrustee.prune.min-age',
    default: '24h',
    parse: duration(0, 365 * 86400e3),
    describe: 'time between two reports of an orphaned HSM key before it may be destroyed',
  },
  resealOlderThanMs: {
    name: 'keytrustee.reseal.older-than',
    default: '0',
    parse: parseResealAge,
    describe:
      'age at which what is sealed gets new keys by itself, e.g. 90d, at least 1d; 0: only by ktadmin reseal',
  },
  resealEveryMs: {
    name: 'keytrustee.reseal.every',
    default: '10m',
    parse: duration(1000, 86400e3),
    describe: 'time between two looks for what is that old',
  },
  approvalMs: {
    name: 'keytrustee.approval.window',
    default: '24h',
    parse: duration(60e3, 30 * 86400e3),
    describe: 'time from a request to its end: for trustees to approve, and for the retrieval',
  },
  databaseUrl: {
    name: 'keytrustee.database.url',
    parse: notEmpty,
    describe:
      'postgresql://user@host/database of an external database, its copies separated by commas; absent: the private cluster',
  },
  databasePasswordFile: {
    name: 'keytrustee.database.password-file',
    parse: parseAnyPath,
    describe: 'file (0600) with the password of the external database',
  },
  databaseAuthorityFile: {
    name: 'keytrustee.database.ca-file',
    parse: parseAnyPath,
    describe: 'PEM of the authority that signed the external database’s certificate',
  },
  standbyMaxStalenessMs: {
    name: 'keytrustee.standby.max-staleness',
    default: '30s',
    parse: duration(5e3, 600e3),
    describe:
      'how old the database may be from which retrievals are served while no primary is reached',
  },
  backupDirectory: {
    name: 'keytrustee.backup.directory',
    default: 'backup',
    parse: parseAnyPath,
    describe: 'folder of backups; relative to the folder of this file',
  },
  backupRecipients: {
    name: 'keytrustee.backup.recipients',
    default: '',
    parse: parseList,
    describe: 'age recipients, separated by commas, who alone can read backups',
  },
  logLevel: {
    name: 'keytrustee.log.level',
    parse: oneOf(logLevels),
    describe: 'least level that is logged; absent: as conf/logback.xml says',
  },
  logBytes: {
    name: 'keytrustee.log.size',
    parse: size(64 * 1024, 2 ** 40),
    describe: 'size at which log files are rolled; absent: as conf/logback.xml says',
  },
  logFiles: {
    name: 'keytrustee.log.keep',
    parse: integer(1, 1000),
    describe: 'rolled log files that are kept; absent: as conf/logback.xml says',
  },
})

export type Settings = SettingsOf<typeof trusteeSchema>

export const settingsFileName = 'keytrustee.properties'

/** @throws ERR_SETTINGS with every fault and its line; when the file is missing, naming `ktadmin init`. */
export async function readSettings(paths: Pick<Paths, 'settings'>): Promise<Settings> {
  return parseSettings(await readText(paths.settings), trusteeSchema, settingsFileName)
}

export function toLimits(settings: Settings): Limits {
  const { contentBytes, depositsPerClient, depositsPerOrganisation } = settings
  const { hsmKeysPerHourPerClient, hsmKeysPerHourPerOrganisation } = settings
  const { waitingClientsPerOrganisation, undeleteMs, pruneMinAgeMs, approvalMs } = settings
  return {
    contentBytes,
    depositsPerClient,
    depositsPerOrganisation,
    hsmKeysPerHourPerClient,
    hsmKeysPerHourPerOrganisation,
    waitingClientsPerOrganisation,
    undeleteMs,
    pruneMinAgeMs,
    approvalMs,
  }
}

/** A path of the settings, which may be relative to the server's folder. */
export function settingPath(paths: Pick<Paths, 'root'>, path: string): string {
  return isAbsolute(path) ? path : join(paths.root, path)
}

function parseResealAge(text: string, field: string): number {
  return text === '0' ? 0 : duration(86400e3, 3650 * 86400e3)(text, field)
}

function notEmpty(text: string, field: string): string {
  if (text === '') throw invalidInput(field, 'must not be empty')
  return text
}

/** Names and addresses, separated by commas. */
function parseList(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
