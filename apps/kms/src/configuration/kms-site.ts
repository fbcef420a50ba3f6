/**
 * What `kms-site.xml` (and `core-site.xml` under it) says to this KMS. Known names are obeyed or said not to be, with the reason; names of
 * Hadoop's KMS that are not known are listed, so that nothing an operator wrote is silently without effect.
 */
import { DomainError, type FieldFault, invalidInput } from '@keyhsm/core'
import { nearestName } from '@keyhsm/service'
import { parseStaticGroups, type StaticGroups } from '../access/groups.js'
import { type Configuration, placeOf, type Value } from './configuration.js'

export interface KmsSite {
  readonly host: string | undefined
  readonly port: number | undefined
  /** Bounds of the listener. */
  readonly http: {
    readonly maxHeaderBytes: number
    readonly idleTimeoutMs: number
    readonly backlog: number
  }
  readonly defaultCipher: string
  readonly defaultBits: number
  readonly keyAuthorization: boolean
  readonly cacheEnabled: boolean
  readonly cacheMs: number
  readonly currentKeyCacheMs: number
  readonly processName: string
  readonly staticGroups: StaticGroups
  readonly authentication: {
    readonly type: 'simple' | 'kerberos'
    readonly cookieValidityMs: number
    /** Undefined: a cookie that is not used ends at its time only. */
    readonly cookieIdleMs: number | undefined
    readonly cookieDomain: string | undefined
    readonly cookiePath: string | undefined
    readonly cookiePersistent: boolean
    readonly signerProvider: 'random' | 'file' | 'zookeeper'
    readonly signatureSecretFile: string | undefined
    readonly keytab: string | undefined
    readonly principal: string
    readonly nameRules: string
    readonly nameRulesMechanism: 'hadoop' | 'mit'
  }
  readonly tokens: {
    readonly updateIntervalMs: number
    readonly maxLifetimeMs: number
    readonly renewIntervalMs: number
    readonly removalScanMs: number
  }
}

type Parse<Value> = (text: string, field: string) => Value

const authentication = 'hadoop.kms.authentication'
const delegation = `${authentication}.delegation-token`

/** Names that mean something to the original and nothing here, each with the reason. */
const notObeyed: Readonly<Record<string, string>> = {
  'hadoop.kms.key.provider.uri':
    'zone keys are deposits of the Trustee Server; use keytrustee-kms import',
  'hadoop.kms.ssl.enabled': 'HTTPS is on unless keytrustee-kms.tls is off in kms.properties',
  'hadoop.kms.http.administrators': 'administration goes over the local control socket',
  'hadoop.kms.audit.logger': 'the audit chain and the line log are always written',
  'hadoop.kms.audit.aggregation.window.ms': 'each access is audited by itself',
  'hadoop.kms.metrics.session.id': 'there are no metrics sessions',
  'hadoop.security.kms.encrypted.key.cache.size': 'encrypted keys are made when they are asked for',
  'hadoop.security.kms.encrypted.key.cache.low.watermark':
    'encrypted keys are made when they are asked for',
  'hadoop.security.kms.encrypted.key.cache.expiry':
    'encrypted keys are made when they are asked for',
  'hadoop.security.kms.encrypted.key.cache.num.fill.threads':
    'encrypted keys are made when they are asked for',
  [`${authentication}.simple.anonymous.allowed`]: 'anonymous requests are never allowed',
  [`${authentication}.kerberos.endpoint.whitelist`]: 'every path asks for authentication',
  'hadoop.security.keystore.java-keystore-provider.password-file':
    'there is no keystore: zone keys are deposits',
  'hadoop.security.crypto.cipher.suite':
    'data keys are wrapped with SM4 under a zone key of SM4, with AES under every other',
  'hadoop.http.max.threads': 'requests are not bound to threads',
  'hadoop.http.max.response.header.size': 'replies have few headers',
  'hadoop.http.temp.dir': 'nothing is unpacked',
}
const notObeyedPrefixes: Readonly<Record<string, string>> = {
  [`${authentication}.signer.secret.provider.zookeeper.`]:
    'instances share through the Trustee Server',
  [`${authentication}.zk-dt-secret-manager.`]: 'instances share through the Trustee Server',
  [`${authentication}.multi-scheme-auth-handler.`]: 'one type of authentication is used',
  'hadoop.security.group.mapping.': 'groups are those that the operating system knows (id)',
  'ssl.server.':
    'certificate and key are PEM files; keytrustee-kms cert import takes those of an ssl-server.xml over',
}

/** Classes of the original that mean a type; distributions write them out. */
const typeOfClass: Readonly<Record<string, string>> = {
  ...classesOf('Pseudo', 'simple'),
  ...classesOf('Kerberos', 'kerberos'),
}

function classesOf(name: string, type: string): Readonly<Record<string, string>> {
  const packages = 'org.apache.hadoop.security'
  return {
    [`${packages}.authentication.server.${name}AuthenticationHandler`]: type,
    [`${packages}.token.delegation.web.${name}DelegationTokenAuthenticationHandler`]: type,
  }
}

/** What the reader asked for, so that the rest can be listed. */
class Reader {
  readonly asked = new Set<string>()
  readonly faults: FieldFault[] = []
  readonly #configuration: Configuration

  constructor(configuration: Configuration) {
    this.#configuration = configuration
  }

  read<Value>(name: string, parse: Parse<Value>, fallback: Value): Value {
    this.asked.add(name)
    const found = this.#configuration.get(name)
    if (found === undefined || found.text.trim() === '') return fallback
    try {
      return parse(found.text.trim(), name)
    } catch (error) {
      if (!(error instanceof DomainError)) throw error
      const rule = error.faults[0]?.rule ?? error.message
      this.faults.push({ field: tellPlace(name, found), rule, line: found.line })
      return fallback
    }
  }
}

export interface ReadSite {
  readonly site: KmsSite
  /** One line each: names that are not known, and known ones without effect. */
  readonly remarks: readonly string[]
}

/** @throws ERR_SETTINGS with every value that cannot be used and its place. */
export function readKmsSite(configuration: Configuration): ReadSite {
  const reader = new Reader(configuration)
  const site = readSite(reader)
  if (reader.faults.length > 0)
    throw new DomainError(
      'ERR_SETTINGS',
      reader.faults.map(({ field, rule }) => `${field} ${rule}`).join('; '),
      { faults: reader.faults },
    )
  return { site, remarks: listRemarks(configuration, reader.asked) }
}

function readSite(reader: Reader): KmsSite {
  const number = (name: string, fallback: number, [least, most]: readonly [number, number]) =>
    reader.read(name, wholeNumber(least, most), fallback)
  const seconds = (name: string, fallback: number) => number(name, fallback, [1, 1e9]) * 1000
  const word = (name: string) => reader.read<string | undefined>(name, asText, undefined)
  return {
    host: word('hadoop.kms.http.host'),
    port: reader.read<number | undefined>('hadoop.kms.http.port', wholeNumber(0, 65535), undefined),
    http: {
      maxHeaderBytes: number('hadoop.http.max.request.header.size', 65_536, [8_192, 1_048_576]),
      idleTimeoutMs: number('hadoop.http.idle_timeout.ms', 75_000, [1_000, 3_600_000]),
      backlog: number('hadoop.http.socket.backlog.size', 500, [1, 65_535]),
    },
    defaultCipher: reader.read('hadoop.security.key.default.cipher', asText, 'AES/CTR/NoPadding'),
    defaultBits: number('hadoop.security.key.default.bitlength', 128, [128, 256]),
    keyAuthorization: reader.read('hadoop.kms.key.authorization.enable', truth, true),
    cacheEnabled: reader.read('hadoop.kms.cache.enable', truth, true),
    cacheMs: number('hadoop.kms.cache.timeout.ms', 600_000, [0, 86_400_000]),
    currentKeyCacheMs: number('hadoop.kms.current.key.cache.timeout.ms', 30_000, [0, 86_400_000]),
    processName: reader.read('hadoop.kms.metrics.process.name', asText, 'KMS'),
    staticGroups: reader.read<StaticGroups>(
      'hadoop.user.group.static.mapping.overrides',
      parseStaticGroups,
      new Map(),
    ),
    authentication: {
      type: reader.read(`${authentication}.type`, authenticationType, 'simple'),
      cookieValidityMs: seconds(`${authentication}.token.validity`, 36_000),
      cookieIdleMs: reader.read<number | undefined>(
        `${authentication}.token.max-inactive-interval`,
        idleTime,
        undefined,
      ),
      cookieDomain: word(`${authentication}.cookie.domain`),
      cookiePath: word(`${authentication}.cookie.path`),
      cookiePersistent: reader.read(`${authentication}.cookie.persistent`, truth, false),
      signerProvider: reader.read(
        `${authentication}.signer.secret.provider`,
        oneOf(['random', 'file', 'zookeeper'] as const),
        'random',
      ),
      signatureSecretFile: word(`${authentication}.signature.secret.file`),
      keytab: word(`${authentication}.kerberos.keytab`),
      principal: reader.read(`${authentication}.kerberos.principal`, asText, 'HTTP/localhost'),
      nameRules: reader.read(`${authentication}.kerberos.name.rules`, asText, 'DEFAULT'),
      nameRulesMechanism: reader.read(
        `${authentication}.kerberos.name.rules.mechanism`,
        oneOf(['hadoop', 'mit'] as const),
        'hadoop',
      ),
    },
    tokens: {
      updateIntervalMs: seconds(`${delegation}.update-interval.sec`, 86_400),
      maxLifetimeMs: seconds(`${delegation}.max-lifetime.sec`, 604_800),
      renewIntervalMs: seconds(`${delegation}.renew-interval.sec`, 86_400),
      removalScanMs: seconds(`${delegation}.removal-scan-interval.sec`, 3_600),
    },
  }
}

function listRemarks(configuration: Configuration, asked: ReadonlySet<string>): string[] {
  const remarks: string[] = []
  for (const [name, value] of configuration) {
    const reason = reasonNotObeyed(name)
    const place = tellPlace(name, value)
    if (reason !== undefined) remarks.push(`${place} has no effect: ${reason}`)
    // core-site.xml holds names of all of Hadoop; only the KMS's own can be told to be unknown.
    else if (name.startsWith('hadoop.kms.') && !asked.has(name) && !isForeign(name)) {
      const nearest = nearestName(name, [...asked])
      remarks.push(`${place} is not known${nearest ? `; did you mean ${nearest}?` : ''}`)
    }
  }
  return remarks
}

function tellPlace(name: string, value: Value): string {
  return `${placeOf(value)}: ${value.variable === undefined ? name : `${value.variable} (${name})`}`
}

function reasonNotObeyed(name: string): string | undefined {
  const prefix = Object.keys(notObeyedPrefixes).find((known) => name.startsWith(known))
  return notObeyed[name] ?? (prefix === undefined ? undefined : notObeyedPrefixes[prefix])
}

/** Read elsewhere: proxy users; ACLs that somebody wrote into the wrong file are ACLs' business. */
function isForeign(name: string): boolean {
  return /^hadoop\.kms\.(proxyuser|acl|blacklist)\./.test(name)
}

function authenticationType(text: string, field: string): 'simple' | 'kerberos' {
  return oneOf(['simple', 'kerberos'])(typeOfClass[text] ?? text, field)
}

function asText(text: string): string {
  return text
}

function truth(text: string, field: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw invalidInput(field, 'must be true or false')
}

/** Seconds; 0 and less is none, as the original has it. */
function idleTime(text: string, field: string): number | undefined {
  if (/^(?:0|-\d{1,12})$/.test(text)) return undefined
  return wholeNumber(1, 1e9)(text, field) * 1000
}

function wholeNumber(least: number, most: number): Parse<number> {
  return (text, field) => {
    const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw invalidInput(field, `must be a whole number from ${least} to ${most}`)
  }
}

function oneOf<const Value extends string>(values: readonly Value[]): Parse<Value> {
  return (text, field) => {
    const found = values.find((value) => value === text)
    if (found === undefined) throw invalidInput(field, `must be one of ${values.join(', ')}`)
    return found
  }
}
