import { isIP } from 'node:net'
import {
  type Command,
  type Io,
  type Option,
  optionText,
  optionTexts,
  printFields,
} from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import { type Initialised, initialise } from '../initialise.js'
import { pathsIn } from '../paths.js'

/** Of every command that makes a server's home. */
export const listenOptions: readonly Option[] = [
  {
    flag: 'external-address',
    value: 'HOST',
    repeatable: true,
    describe: 'name or address by which clients reach this server, for its certificate',
    check: parseHost,
  },
  {
    flag: 'address',
    value: 'IP',
    describe: 'address to listen on (default 0.0.0.0)',
    check: parseIp,
  },
  { flag: 'port', value: 'N', describe: 'HTTPS port (default 11371)', check: parsePort },
]

export const initCommand: Command = {
  name: 'init',
  summary: 'make every key and file that a server needs; what exists is kept',
  setsUp: true,
  options: listenOptions,
  async run(input) {
    const host = optionText(input, 'address')
    const port = optionText(input, 'port')
    return initialise(pathsIn(input.home.keytrustee), {
      externalAddresses: optionTexts(input, 'external-address'),
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
    })
  },
  print({ made, serverFingerprint }: Initialised, io: Io) {
    for (const file of made) io.words(`made ${file}`)
    if (made.length === 0) io.words('everything is there already')
    printFields({ 'server fingerprint (SHA-256)': serverFingerprint }, io)
    if (made.length > 0) {
      io.hint(
        'give the fingerprint to those who register clients: they compare it at first contact',
      )
      io.hint('next: ktadmin db bootstrap; keytrustee-server start')
    }
  },
}

function parseHost(text: string): void {
  if (!/^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252})$/.test(text))
    throw invalidInput('--external-address', 'must be a host name or an IP address')
}

function parseIp(text: string): void {
  if (isIP(text) === 0) throw invalidInput('--address', 'must be an IP address')
}

function parsePort(text: string): void {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535)
    throw invalidInput('--port', 'must be a whole number from 0 to 65535')
}
