/** The options of `keyhsm setup`, and which setting each of them is. */
import type { Option } from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import { parseBackendName } from '../backend-names.js'
import { commonSchema, type Hardware } from '../settings.js'
import type { PlainAnswerName } from './dialogues.js'

/** What an operator types → the value of `keyhsm.hardware`. */
const hardwareByName: Readonly<Record<string, Hardware>> = {
  keysecure: 'keysecure',
  thales: 'ncipher',
  ncipher: 'ncipher',
  luna: 'luna',
  cloudhsm: 'cloudhsm',
  softhsm: 'softhsm',
  nss: 'nss',
  'soft-token': 'soft-token',
}

/** @throws ERR_INVALID_INPUT naming the devices. */
export function parseHardware(text: string): Hardware {
  const hardware = Object.hasOwn(hardwareByName, text) ? hardwareByName[text] : undefined
  if (hardware) return hardware
  throw invalidInput('HSM', 'must be keysecure, thales, luna, cloudhsm, softhsm, nss or soft-token')
}

/** Options that answer a question of the dialogue. */
export const answerOptions: readonly (Option & { readonly flag: PlainAnswerName })[] = [
  { flag: 'address', value: 'A', describe: 'IP address to listen on (default 127.0.0.1)' },
  { flag: 'port', value: 'N', describe: 'port to listen on (default 9090)' },
  { flag: 'token-label', value: 'L', describe: 'label of the token' },
  { flag: 'slot', value: 'N', describe: 'slot number (slots are renumbered: prefer the others)' },
  {
    flag: 'library-parameters',
    value: 'T',
    describe: 'what the PKCS#11 library is given at its start; nss: the database',
  },
  { flag: 'user', value: 'U', describe: 'cloudhsm: crypto user; keysecure: login name' },
  {
    flag: 'hsm-address',
    value: 'A',
    describe: 'keysecure: address or host name; several, with commas',
  },
  { flag: 'hsm-port', value: 'N', describe: 'keysecure: port of NAE-XML (default 9000)' },
  { flag: 'ssl', value: 'YN', describe: 'keysecure: yes (default) or no' },
  {
    flag: 'server-fingerprint',
    value: 'F',
    describe: 'keysecure: SHA-256 of the certificate to trust without being asked',
  },
]

/** Options that are settings; the name behind the dot belongs to the device. */
export const settingOptions: readonly (Option & { readonly setting: string })[] = [
  {
    flag: 'management-port',
    value: 'N',
    describe: 'port of management (default 9899)',
    setting: commonSchema.managementPort.name,
  },
  {
    flag: 'service-port',
    value: 'N',
    describe: 'port of metrics and health (default 19791)',
    setting: commonSchema.servicePort.name,
  },
  {
    flag: 'service-address',
    value: 'A',
    describe: 'IP address of metrics and health',
    setting: commonSchema.serviceAddress.name,
  },
  {
    flag: 'scope',
    value: 'S',
    describe: 'deposit, organisation or service',
    setting: commonSchema.scope.name,
  },
  { flag: 'kind', value: 'K', describe: 'kind of new HSM keys', setting: commonSchema.kind.name },
  {
    flag: 'key-limit',
    value: 'N',
    describe: 'most keys in the partition',
    setting: commonSchema.keyLimit.name,
  },
  { flag: 'key-pool', value: 'N', describe: 'keys made ahead', setting: commonSchema.pool.name },
  { flag: 'wrap', value: 'W', describe: 'device or software', setting: commonSchema.wrap.name },
  { flag: 'serial', value: 'S', describe: 'serial number of the token', setting: '.token.serial' },
  { flag: 'library', value: 'P', describe: 'path of the PKCS#11 library', setting: '.library' },
  {
    flag: 'config',
    value: 'P',
    describe: 'configuration file of that library',
    setting: '.config',
  },
  {
    flag: 'nfast-port',
    value: 'N',
    describe: 'thales: port of the hardserver, where it is not 9000',
    setting: '.nfast_server_port',
  },
  {
    flag: 'dialect',
    value: 'D',
    describe: 'keysecure: names that its release has otherwise',
    setting: '.dialect',
  },
  {
    flag: 'directory',
    value: 'P',
    describe: 'directory of the software token',
    setting: '.directory',
  },
]

const secretFile = { value: 'F', file: true, secret: true, maxBytes: 4096 } as const

export const setupOptions: readonly Option[] = [
  {
    flag: 'backend',
    value: 'NAME',
    describe: 'set up a further HSM beside the first, or one that was set up so',
    check: (text) => parseBackendName(text, '--backend'),
  },
  ...answerOptions,
  {
    flag: 'pin-file',
    describe: 'file with the password or PIN of the HSM; - is standard input',
    ...secretFile,
  },
  {
    flag: 'keystore-password-file',
    describe: 'file with a new password of the keystore; - is standard input',
    ...secretFile,
  },
  {
    flag: 'answers',
    value: 'FILE',
    describe: 'options from a file of lines `option = value`, or `hsm-env.NAME = V`; no passwords',
    file: true,
    maxBytes: 65_536,
  },
  ...settingOptions.map(({ flag, value, describe }) => ({ flag, value: value ?? 'V', describe })),
  {
    flag: 'hsm-env',
    value: 'NAME=V',
    repeatable: true,
    describe: 'environment variable for the PKCS#11 library',
  },
  { flag: 'pin-only', describe: 'change the stored password or PIN, nothing else' },
  {
    flag: 'trust-only',
    describe: 'keysecure: trust the certificate that it shows now, nothing else',
  },
  { flag: 'dry-run', describe: 'show what would be written; asks no HSM and changes nothing' },
  { flag: 'force', describe: 'leave the partition of the last setup behind' },
]
