/**
 * The names of `application.properties` and what may stand behind them. The part about the HSM is a union on
 * `keyhsm.hardware`: a file for a Luna cannot hold a setting of another vendor.
 */
import { isIP } from 'node:net'
import { invalidInput, parseBytes, parseDuration } from '@keyhsm/core'
import { wrappingKinds } from '@keyhsm/hsm'
import { settingsSchema } from '@keyhsm/service'

/** Values of `keyhsm.hardware`. `ncipher` is what the old product wrote for a Thales nShield. */
export const hardwareNames = ['softhsm', 'luna', 'ncipher', 'cloudhsm', 'soft-token'] as const
export type Hardware = (typeof hardwareNames)[number]

export const scopes = ['deposit', 'organisation', 'service'] as const
export type Scope = (typeof scopes)[number]

/** Prefix of a vendor's settings. */
export const vendorPrefix: Readonly<Record<Hardware, string>> = {
  softhsm: 'softhsm',
  luna: 'luna',
  ncipher: 'thales',
  cloudhsm: 'cloudhsm',
  'soft-token': 'soft-token',
}

/** Settings of every hardware. */
export const commonSchema = settingsSchema({
  hardware: {
    name: 'keyhsm.hardware',
    required: true,
    parse: oneOf(hardwareNames),
    describe: 'kind of HSM; written by setup',
  },
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
    describe: 'kept for files of the old product: management goes through the control socket',
  },
  servicePort: {
    name: 'keyhsm.service.port',
    default: '0',
    parse: integer(0, 65535),
    describe: 'port of metrics and health on 127.0.0.1 (the old product had 19791); 0: not served',
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
  openRate: {
    name: 'keyhsm.open.rate',
    default: '0',
    parse: integer(0, 1e6),
    describe: 'most deposits that a realm may open a second; 0: as many as the HSM can',
  },
  logLevel: {
    name: 'keyhsm.log.level',
    default: 'info',
    parse: oneOf(['error', 'warn', 'info', 'debug']),
    describe: 'least level that is logged',
  },
  logBytes: {
    name: 'keyhsm.log.size',
    default: '10M',
    parse: size(64 * 1024, 2 ** 40),
    describe: 'size at which the log file is rolled',
  },
  logFiles: {
    name: 'keyhsm.roll.size',
    default: '10',
    parse: integer(1, 1000),
    describe: 'rolled log files that are kept',
  },
  domain: {
    name: 'keyhsm.partition.domain',
    parse: parseDomain,
    describe: 'the HSM key domain that setup found or made; another partition is refused',
  },
})

/** Settings of a device with a PKCS#11 library: the same for all vendors, under each vendor's own names. */
export function pkcs11Schema(hardware: Exclude<Hardware, 'soft-token'>) {
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
    pin: pinSpec(prefix),
  })
}

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

function pinSpec(prefix: string) {
  return {
    name: `${prefix}.pin`,
    required: true,
    secret: true,
    parse: text(1, 4096),
    describe: 'PIN, sealed; only setup writes it',
  } as const
}

function oneOf<const Value extends string>(values: readonly Value[]) {
  return (given: string, field: string): Value => {
    const found = values.find((value) => value === given)
    if (found === undefined) throw invalidInput(field, `must be one of ${values.join(', ')}`)
    return found
  }
}

function integer(minimum: number, maximum: number) {
  return (given: string, field: string): number => {
    const value = /^\d{1,20}$/.test(given) ? Number(given) : Number.NaN
    if (!(value >= minimum && value <= maximum)) {
      throw invalidInput(field, `must be a whole number from ${minimum} to ${maximum}`)
    }
    return value
  }
}

function duration(minimum: number, maximum: number) {
  return (given: string, field: string): number => {
    const value = parseDuration(given, field)
    if (value < minimum || value > maximum) {
      throw invalidInput(field, `must be from ${minimum / 1000} s to ${maximum / 1000} s`)
    }
    return value
  }
}

function size(minimum: number, maximum: number) {
  return (given: string, field: string): number => {
    const value = parseBytes(given, field)
    if (value < minimum || value > maximum) {
      throw invalidInput(field, `must be from ${minimum} to ${maximum} bytes`)
    }
    return value
  }
}

function text(minimum: number, maximum: number) {
  return (given: string, field: string): string => {
    if (given.length < minimum || given.length > maximum || /[\p{Cc}]/u.test(given)) {
      throw invalidInput(field, `must be ${minimum} to ${maximum} printable characters`)
    }
    return given
  }
}

function parseAddress(given: string, field: string): string {
  if (isIP(given) === 0) throw invalidInput(field, 'must be an IP address, e.g. 127.0.0.1')
  return given
}

function parsePath(given: string, field: string): string {
  if (!given.startsWith('/')) throw invalidInput(field, 'must be an absolute path')
  return given
}

function parseDomain(given: string, field: string): string {
  if (!/^[0-9a-f]{32}$/.test(given)) throw invalidInput(field, 'must be 32 hex digits')
  return given
}
