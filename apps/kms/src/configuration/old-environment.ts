/**
 * `KMS_*` variables of an old installation: of this process's environment, and those that a `kms-env.sh` beside `kms-site.xml` sets. Each is
 * another name for a property of `kms-site.xml`, which it overrides, or is said to have no effect. The script is read, never run.
 * @see org.apache.hadoop.crypto.key.kms.server.KMSWebServer (Hadoop 3), kms-env.sh of Hadoop 2
 */
import { readFile } from 'node:fs/promises'
import { DomainError } from '@keyhsm/core'
import { nearestName } from '@keyhsm/service'
import { type Configuration, placeOf, type Value } from './configuration.js'

export const oldEnvironmentFile = 'kms-env.sh'

/** The property that each is another name for. */
const properties: Readonly<Record<string, string>> = {
  KMS_HTTP_PORT: 'hadoop.kms.http.port',
  KMS_MAX_THREADS: 'hadoop.http.max.threads',
  KMS_MAX_HTTP_HEADER_SIZE: 'hadoop.http.max.request.header.size',
  KMS_ACCEPT_COUNT: 'hadoop.http.socket.backlog.size',
  KMS_TEMP: 'hadoop.http.temp.dir',
  KMS_SSL_ENABLED: 'hadoop.kms.ssl.enabled',
  KMS_SSL_KEYSTORE_FILE: 'ssl.server.keystore.location',
  KMS_SSL_KEYSTORE_PASS: 'ssl.server.keystore.password',
  KMS_SSL_TRUSTSTORE_FILE: 'ssl.server.truststore.location',
  KMS_SSL_TRUSTSTORE_PASS: 'ssl.server.truststore.password',
  KMS_SSL_CLIENT_AUTH: 'ssl.server.need.client.auth',
  KMS_SSL_CIPHERS: 'ssl.server.exclude.cipher.list',
}

const webServer = 'there is no such web server here'
/** Those that no property stands for, each with the reason why it means nothing here. */
const notObeyed: Readonly<Record<string, string>> = {
  KMS_CONFIG: 'kms.properties names the folder of the configuration: keytrustee-kms.conf',
  KMS_LOG: 'conf/logback.xml says how logs are written; they lie in log/',
  KMS_HOME: '--home says where everything lies',
  KMS_ADMIN_PORT: 'administration goes over the local control socket',
  KMS_SSL_ENABLED_PROTOCOLS: 'TLS 1.2 and 1.3 are spoken',
  KMS_PROTOCOL: webServer,
  KMS_ACCEPTOR_THREAD_COUNT: webServer,
  KMS_CATALINA_HOME: webServer,
  KMS_SILENT: webServer,
}

type Setting = Value & { readonly variable: string }

export interface OldEnvironment {
  /** By the name of the property. */
  readonly values: Configuration
  /** Lines about what has no effect. */
  readonly remarks: readonly string[]
}

/** @throws ERR_SETTINGS when the script is there and cannot be read. */
export async function readOldEnvironment(
  script: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<OldEnvironment> {
  const text = await readFile(script, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new DomainError('ERR_SETTINGS', `${oldEnvironmentFile} cannot be read`, { cause: error })
  })
  return toOldEnvironment(text, env)
}

/** As {@link readOldEnvironment}, of the script's text. What it sets counts more than the environment, as where it is run. */
export function toOldEnvironment(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): OldEnvironment {
  const remarks: string[] = []
  const values = new Map<string, Value>()
  for (const setting of [...ofProcess(env), ...ofScript(text, remarks)]) {
    const property = properties[setting.variable]
    if (property === undefined) remarks.push(tell(setting))
    else if (setting.text !== '') values.set(property, setting)
  }
  return { values, remarks }
}

function ofProcess(env: Readonly<Record<string, string | undefined>>): readonly Setting[] {
  return Object.entries(env)
    .filter(([variable]) => variable.startsWith('KMS_'))
    .map(([variable, text = '']) => ({ variable, text, file: 'environment', line: 0 }))
}

/** Assignments. @param remarks gets those that only a shell could work out */
function ofScript(text: string, remarks: string[]): readonly Setting[] {
  return text.split('\n').flatMap((source, i) => {
    const [, variable, assigned] = /^\s*(?:export\s+)?(KMS_\w+)=(.*)$/.exec(source) ?? []
    if (variable === undefined || assigned === undefined) return []
    const value = literalOf(assigned)
    const setting = { variable, text: value ?? '', file: oldEnvironmentFile, line: i + 1 }
    if (value === undefined && variable in properties)
      remarks.push(`${placeOf(setting)}: ${variable} has no effect: its value is not written out`)
    return [setting]
  })
}

/** Undefined for what a shell would have to expand. */
function literalOf(assigned: string): string | undefined {
  const found = /^(?:"([^"$`\\]*)"|'([^']*)'|([^\s"'$`\\;#]*))\s*(?:#.*)?$/.exec(assigned)
  return found?.slice(1).find((group) => group !== undefined)
}

function tell(setting: Setting): string {
  const { variable } = setting
  const reason = notObeyed[variable]
  const at = `${placeOf(setting)}: ${variable}`
  if (reason !== undefined) return `${at} has no effect: ${reason}`
  const nearest = nearestName(variable, [...Object.keys(properties), ...Object.keys(notObeyed)])
  return `${at} is not known${nearest ? `; did you mean ${nearest}?` : ''}`
}
