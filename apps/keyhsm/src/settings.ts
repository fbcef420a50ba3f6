/**
 * The names of `application.properties` and what may stand behind them. The part about the HSM is a union on
 * `keyhsm.hardware`: a file for a Luna cannot hold a setting of another vendor.
 */
import { wrappingKinds } from '@keyhsm/hsm'
import { duration, integer, oneOf, parseAddress, settingsSchema, size } from '@keyhsm/service'
import { firstName, firstNameSetting, parseBackendName } from './backend-names.js'
import { rateSchema } from './rate-settings.js'
import {
  parseDomain,
  parseFingerprints,
  parseHosts,
  parsePath,
  parseUserName,
  parseVariable,
  text,
  yesOrNo,
} from './setting-values.js'

/** Values of `keyhsm.hardware`. `ncipher` is what the old product wrote for a Thales nShield. */
export const hardwareNames = [
  'softhsm',
  'luna',
  'ncipher',
  'cloudhsm',
  'keysecure',
  'nss',
  'soft-token',
] as const
export type Hardware = (typeof hardwareNames)[number]

export const scopes = ['deposit', 'organisation', 'service'] as const
export type Scope = (typeof scopes)[number]

/** Prefix of a vendor's settings. */
export const vendorPrefix: Readonly<Record<Hardware, string>> = {
  softhsm: 'softhsm',
  luna: 'luna',
  ncipher: 'thales',
  cloudhsm: 'cloudhsm',
  keysecure: 'keysecure',
  nss: 'nss',
  'soft-token': 'soft-token',
}

/** Settings of every hardware; the first five in the order in which the old product shows them. */
export const commonSchema = settingsSchema({
  address: {
    name: 'keyhsm.management.address',
    default: '127.0.0.1',
    parse: parseAddress,
    describe: 'IP address of the listener for Trustee Servers',
  },
  port: {
    name: 'keyhsm.server.port',
    default: '9090',
    parse: integer(0, 65535),
    describe: 'TLS port for Trustee Servers',
  },
  managementPort: {
    name: 'keyhsm.management.port',
    default: '9899',
    parse: integer(0, 65535),
    describe: 'port of the management listener on 127.0.0.1; 0: a control socket in its place',
  },
  servicePort: {
    name: 'keyhsm.service.port',
    default: '19791',
    parse: integer(0, 65535),
    describe: 'port of metrics and health; 0: not served',
  },
  hardware: {
    name: 'keyhsm.hardware',
    required: true,
    parse: oneOf(hardwareNames),
    describe: 'kind of HSM; written by setup',
  },
  serviceAddress: {
    name: 'keyhsm.service.address',
    default: '127.0.0.1',
    parse: parseAddress,
    describe: 'IP address of metrics and health',
  },
  passwordSet: {
    name: 'keyhsm.keystore.password.set',
    default: 'no',
    parse: yesOrNo,
    describe: 'yes: the next setup asks for the password of the keystore',
  },
  scope: {
    name: 'keyhsm.key.scope',
    default: 'deposit',
    parse: oneOf(scopes),
    describe: 'deposits that share one HSM key: deposit, organisation or service',
  },
  kind: {
    name: 'keyhsm.key.kind',
    parse: oneOf(wrappingKinds),
    describe: 'kind of new HSM keys; absent: what suits the hardware',
  },
  keyLimit: {
    name: 'keyhsm.key.limit',
    parse: integer(1, 1e9),
    describe: 'most keys in the partition; absent: what the device says',
  },
  pool: {
    name: 'keyhsm.key.pool',
    default: '0',
    parse: integer(0, 10_000),
    describe: 'HSM keys that are made ahead of need; 0: none',
  },
  recheckMs: {
    name: 'keyhsm.key.recheck',
    default: '60s',
    parse: duration(1e3, 86400e3),
    describe: 'how often known keys are looked for again in the device',
  },
  maxAgeMs: {
    name: 'keyhsm.key.max-age',
    default: '365d',
    parse: duration(86400e3, 36500 * 86400e3),
    describe: 'age at which a shared HSM key is followed by a new one',
  },
  wrap: {
    name: 'keyhsm.wrap',
    default: 'device',
    parse: oneOf(['device', 'software']),
    describe: 'where RSA wraps are made: software saves a round trip to the device',
  },
  maxContentBytes: {
    name: 'keyhsm.content.max-bytes',
    default: '17M',
    parse: size(1, 17 * 2 ** 20),
    describe:
      'largest content that is sealed, at most 17M; the Trustee Server has the limit that users meet',
  },
  ...rateSchema,
  logLevel: {
    name: 'keyhsm.log.level',
    parse: oneOf(['error', 'warn', 'info', 'debug']),
    describe: 'least level that is logged; absent: as conf/logback.xml says',
  },
  logBytes: {
    name: 'keyhsm.log.size',
    parse: size(64 * 1024, 2 ** 40),
    describe: 'size at which log files are rolled; absent: as conf/logback.xml says',
  },
  logFiles: {
    name: 'keyhsm.roll.size',
    parse: integer(1, 1000),
    describe: 'rolled log files that are kept; absent: as conf/logback.xml says',
  },
  domain: {
    name: 'keyhsm.partition.domain',
    parse: parseDomain,
    describe: 'the HSM key domain that setup found or made; another partition is refused',
  },
  backendName: {
    name: firstNameSetting,
    default: firstName,
    parse: parseBackendName,
    describe: 'name of the HSM whose settings have no prefix',
  },
  defaultBackend: {
    name: 'keyhsm.backend.default',
    parse: parseBackendName,
    describe: 'name of the HSM for new deposits; absent: the one without a prefix',
  },
})

const { hardware, kind, keyLimit, pool, maxAgeMs, wrap, domain } = commonSchema
/** Those that each HSM has for itself: `keyhsm.backend.NAME.…` for another than the first. */
export const backendSchema = { hardware, kind, keyLimit, pool, maxAgeMs, wrap, domain }

/** Hardware with a PKCS#11 library. */
export type Pkcs11Hardware = Exclude<Hardware, 'keysecure' | 'soft-token'>

/** The setting that holds each device's password, and what stands above it: the old product's words where they are known. */
export const secretSettings: Readonly<
  Record<Hardware, { readonly name: string; readonly comment: string; readonly formerly?: string }>
> = {
  softhsm: { name: 'softhsm.pin', comment: 'Token PIN' },
  luna: { name: 'luna.pin', comment: 'Partition password' },
  ncipher: {
    name: 'thales.ocs_password',
    comment: 'Module OCS Password',
    formerly: 'thales.pin',
  },
  cloudhsm: { name: 'cloudhsm.password', comment: 'Crypto user password' },
  keysecure: { name: 'keysecure.password', comment: 'HSM login password' },
  nss: { name: 'nss.password', comment: 'Database password' },
  'soft-token': { name: 'soft-token.pin', comment: 'Token PIN' },
}

/** Settings that one vendor alone has. */
const vendorSpecs = settingsSchema({
  nfastServerPort: {
    name: 'thales.nfast_server_port',
    parse: integer(1, 65535),
    describe: 'TCP port of the hardserver where it is not 9000 (NFAST_SERVER_PORT)',
  },
  username: {
    name: 'cloudhsm.username',
    required: true,
    parse: parseUserName,
    describe: 'name of the crypto user (CU)',
  },
})

const vendorSpecsOf: Readonly<Record<Pkcs11Hardware, Partial<typeof vendorSpecs>>> = {
  softhsm: {},
  luna: {},
  ncipher: { nfastServerPort: vendorSpecs.nfastServerPort },
  cloudhsm: { username: vendorSpecs.username },
  nss: {},
}

/** Settings of a device with a PKCS#11 library: the same for all vendors, under each vendor's own names. */
export function pkcs11Schema(hardware: Pkcs11Hardware) {
  const prefix = vendorPrefix[hardware]
  return settingsSchema({
    library: {
      name: `${prefix}.library`,
      required: true,
      parse: parsePath,
      describe: 'path of the PKCS#11 library',
    },
    tokenLabel: {
      name: `${prefix}.token.label`,
      parse: text(1, 32),
      describe: 'label of the token',
    },
    tokenSerial: {
      name: `${prefix}.token.serial`,
      parse: text(1, 64),
      describe: 'serial number of the token: the surest choice',
    },
    slot: {
      name: `${prefix}.slot`,
      parse: integer(0, 2 ** 32 - 1),
      describe: 'slot number: the least sure choice, because slots are renumbered',
    },
    config: {
      name: `${prefix}.config`,
      parse: parsePath,
      describe: 'configuration file of the library, where it is not found by itself',
    },
    parameters: {
      name: `${prefix}.library.parameters`,
      parse: text(1, 1024),
      describe: 'what the library is given at its start, where it takes that (NSS needs it)',
    },
    env: {
      name: 'keyhsm.hsm.env.',
      family: true,
      parse: parseVariable,
      describe: 'environment variable for the library, e.g. keyhsm.hsm.env.NFAST_HOME',
    },
    ...vendorSpecsOf[hardware],
    pin: pinSpec(hardware),
  })
}

/** Settings of a KeySecure or CipherTrust Manager, which is asked by NAE-XML. */
export const keySecureSchema = settingsSchema({
  hosts: {
    name: 'keysecure.address',
    required: true,
    parse: parseHosts,
    describe: 'IP address or host name of the appliance; several, with commas, are a cluster',
  },
  hsmPort: {
    name: 'keysecure.port',
    default: '9000',
    parse: integer(1, 65535),
    describe: 'port of its NAE-XML interface',
  },
  ssl: {
    name: 'keysecure.ssl',
    default: 'yes',
    parse: yesOrNo,
    describe: 'no: the password and all that is wrapped goes over the network in clear',
  },
  certificates: {
    name: 'keysecure.certificate',
    default: '',
    parse: parseFingerprints,
    describe: 'SHA-256 of the trusted certificate; of each, with commas; written by setup',
  },
  username: {
    name: 'keysecure.username',
    required: true,
    parse: text(1, 255),
    describe: 'name of the user that logs in',
  },
  dialect: {
    name: 'keysecure.dialect',
    default: '',
    parse: (given: string) => given,
    describe: 'names that this release of the appliance has otherwise: name=Name, with commas',
  },
  pin: pinSpec('keysecure'),
})

/** Settings of the software token, which is for development only. */
export const softTokenSchema = settingsSchema({
  directory: {
    name: 'soft-token.directory',
    required: true,
    parse: parsePath,
    describe: 'directory of the software token',
  },
  tokenLabel: {
    name: 'soft-token.token.label',
    parse: text(1, 32),
    describe: 'label of the token',
  },
  pin: pinSpec('soft-token'),
})

function pinSpec(hardware: Hardware) {
  return {
    ...secretSettings[hardware],
    required: true,
    secret: true,
    parse: text(1, 4096),
    describe: 'password, sealed; only setup writes it',
  } as const
}
