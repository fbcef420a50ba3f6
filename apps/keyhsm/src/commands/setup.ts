import { resolve } from 'node:path'
import {
  type Command,
  findSecret,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printFields,
  printLine,
  readSecret,
} from '@keyhsm/command-line'
import { invalidInput, SecretBytes, systemClock } from '@keyhsm/core'
import { configVariableOf, findLibrary } from '../drivers.js'
import { readTextIfThere } from '../files.js'
import { pathsIn } from '../paths.js'
import { type Hardware, secretSettings, vendorPrefix } from '../settings.js'
import { type SetUpResult, setUp } from '../setup/set-up.js'
import type { Changes } from '../setup/settings-text.js'
import { quietLog } from './quiet-log.js'
import { isRunning } from './with-service.js'

/** What an operator types → the value of `keyhsm.hardware`. */
const names: Readonly<Record<string, Hardware>> = {
  softhsm: 'softhsm',
  luna: 'luna',
  thales: 'ncipher',
  ncipher: 'ncipher',
  cloudhsm: 'cloudhsm',
  'soft-token': 'soft-token',
}

const pinSource = { fileFlag: 'pin-file', env: 'KEYHSM_PIN', prompt: 'HSM PIN' } as const

/** Flags that become a setting of the same meaning. */
const commonFlags: Readonly<Record<string, string>> = {
  address: 'keyhsm.management.address',
  port: 'keyhsm.server.port',
  'management-port': 'keyhsm.management.port',
  'service-port': 'keyhsm.service.port',
  'service-address': 'keyhsm.service.address',
  scope: 'keyhsm.key.scope',
  kind: 'keyhsm.key.kind',
  'key-limit': 'keyhsm.key.limit',
  wrap: 'keyhsm.wrap',
}

/** Connects to an HSM for real, prepares its partition and saves the settings; running it again keeps what is there. */
export const setupCommand: Command = {
  name: 'setup',
  summary: 'set up a new connection to an HSM',
  arguments: [
    {
      name: 'HSM',
      describe: 'softhsm, luna, thales, cloudhsm or soft-token',
      check: parseHardware,
    },
  ],
  options: [
    { flag: 'library', value: 'P', describe: 'path of the PKCS#11 library' },
    { flag: 'config', value: 'P', describe: 'configuration file of that library' },
    { flag: 'token-label', value: 'L', describe: 'label of the token' },
    { flag: 'serial', value: 'S', describe: 'serial number of the token (the surest choice)' },
    { flag: 'slot', value: 'N', describe: 'slot number (slots are renumbered: prefer the others)' },
    { flag: 'directory', value: 'P', describe: 'directory of the software token' },
    {
      flag: 'pin-file',
      value: 'F',
      describe: 'file with the PIN (cloudhsm: user:password); - is standard input',
      file: true,
      secret: true,
      maxBytes: 4096,
    },
    { flag: 'address', value: 'A', describe: 'IP address to listen on (default 127.0.0.1)' },
    { flag: 'port', value: 'N', describe: 'port to listen on (default 9090)' },
    { flag: 'management-port', value: 'N', describe: 'port of management (default 9899)' },
    { flag: 'service-port', value: 'N', describe: 'port of metrics and health (default 19791)' },
    { flag: 'service-address', value: 'A', describe: 'IP address of metrics and health' },
    { flag: 'scope', value: 'S', describe: 'deposit, organisation or service' },
    { flag: 'kind', value: 'K', describe: 'kind of new HSM keys' },
    { flag: 'key-limit', value: 'N', describe: 'most keys in the partition' },
    { flag: 'wrap', value: 'W', describe: 'device or software' },
    { flag: 'force', describe: 'leave the partition of the last setup behind' },
  ],
  async run(input, io): Promise<SetUpResult> {
    const hardware = parseHardware(input.args['HSM'] ?? '')
    const paths = pathsIn(input.home.keyhsm)
    const changes = await readChanges(input, io, hardware)
    const pin = await readPin(input, io, await readTextIfThere(paths.settings), hardware)
    try {
      const force = optionGiven(input, 'force')
      const surroundings = { paths, env: io.env, log: quietLog, clock: systemClock }
      const result = await setUp({ ...surroundings, hardware, changes, pin, force })
      if (isRunning(paths)) io.words('restart the running service to use the new settings')
      return result
    } finally {
      pin?.wipe()
    }
  },
  print({ keysMade, warnings, ...fields }: SetUpResult, io) {
    printFields(fields, io)
    for (const label of keysMade) printLine(`made ${label}`, io)
    for (const warning of warnings) io.words(`warning: ${warning}`)
    printLine("Configuration saved in 'application.properties' file", io)
    io.words('you can use `keyhsm settings` to view the configuration')
  },
}

function parseHardware(text: string): Hardware {
  const hardware = Object.hasOwn(names, text) ? names[text] : undefined
  if (hardware) return hardware
  throw invalidInput('HSM', 'must be softhsm, luna, thales, cloudhsm or soft-token')
}

async function readChanges(input: Input, io: Io, hardware: Hardware): Promise<Changes> {
  const common = Object.entries(commonFlags).map(([flag, name]) => [name, optionText(input, flag)])
  const device =
    hardware === 'soft-token' ? softTokenChanges(input) : await libraryChanges(input, io, hardware)
  return { ...Object.fromEntries(common), ...device }
}

function softTokenChanges(input: Input): Changes {
  refuse(input, ['library', 'config', 'serial', 'slot'], 'is not for the software token')
  return {
    'soft-token.directory':
      toPath(optionText(input, 'directory')) ?? `${input.home.keyhsm}/soft-token`,
    'soft-token.token.label': optionText(input, 'token-label'),
  }
}

async function libraryChanges(
  input: Input,
  io: Io,
  hardware: Exclude<Hardware, 'soft-token'>,
): Promise<Changes> {
  refuse(input, ['directory'], 'is for the software token only')
  const prefix = vendorPrefix[hardware]
  const variable = configVariableOf(hardware)
  // What the vendor's tools were told by the environment holds for the service too, which has another environment.
  const config = optionText(input, 'config') ?? (variable && (io.env[variable] || undefined))
  return {
    [`${prefix}.library`]:
      toPath(optionText(input, 'library')) ?? (await findInstalled(input, hardware)),
    [`${prefix}.config`]: toPath(config),
    [`${prefix}.token.label`]: optionText(input, 'token-label'),
    [`${prefix}.token.serial`]: optionText(input, 'serial'),
    [`${prefix}.slot`]: optionText(input, 'slot'),
  }
}

/** Looked for only when no earlier setup has written one. */
async function findInstalled(input: Input, hardware: Exclude<Hardware, 'soft-token'>) {
  const text = await readTextIfThere(pathsIn(input.home.keyhsm).settings)
  return text?.includes(`${vendorPrefix[hardware]}.library`)
    ? undefined
    : await findLibrary(hardware)
}

/** A given PIN; the stored one is kept without a question; asked for only at the first setup of a device. */
async function readPin(
  input: Input,
  io: Io,
  settings: string | undefined,
  hardware: Hardware,
): Promise<SecretBytes | undefined> {
  const stored = settings?.includes(secretSettings[hardware].name) ?? false
  const pin = stored ? findSecret(input, io, pinSource) : await readSecret(input, io, pinSource)
  return pin === undefined ? undefined : SecretBytes.own(Buffer.from(pin, 'utf8'))
}

function refuse(input: Input, flags: readonly string[], rule: string): void {
  const given = flags.find((flag) => optionText(input, flag) !== undefined)
  if (given !== undefined) throw invalidInput(`--${given}`, rule)
}

function toPath(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path)
}
