/** A look at an appliance before anything is set up: one session, redacted, to compare with docs/protocols/nae-xml.md. */
import { type Command, type Input, type Io, printLine, readSecret } from '@keyhsm/command-line'
import { DomainError, type Fingerprint, invalidInput, SecretBytes, withSecret } from '@keyhsm/core'
import { loadKeySecure, type NaeNode, type NaeTls, type ProbeReport } from '../drivers.js'

const defaultPort = 9000

/** Needs no set-up and leaves nothing behind; exit status 1 when something is wrong with the appliance. */
export const naeProbeCommand: Command = {
  name: 'nae-probe',
  summary: 'print one redacted NAE-XML session with a KeySecure or CipherTrust Manager',
  arguments: [
    { name: 'address', describe: 'HOST or HOST:PORT; port 9000 by default', check: parseNode },
  ],
  options: [
    { flag: 'user', value: 'U', describe: 'user of the appliance', required: true },
    {
      flag: 'password-file',
      value: 'F',
      describe: 'file with the password; - asks or reads standard input',
      file: true,
      secret: true,
    },
    { flag: 'no-ssl', describe: 'plain TCP: whoever is on the way reads the password' },
    {
      flag: 'server-fingerprint',
      value: 'F',
      describe: 'SHA-256 of the appliance’s certificate; without it you are asked',
      check: parseFingerprint,
    },
    {
      flag: 'dialect',
      value: 'D',
      describe: 'other names of elements, as in keysecure.dialect',
    },
  ],
  dropTo: false,
  async run(input, io): Promise<ProbeReport> {
    const { parseDialect, probeAppliance } = await loadKeySecure()
    const node = parseNode(input.args['address'] ?? '')
    const dialect = parseDialect(textOf(input, 'dialect') ?? '', '--dialect')
    const tls = input.options['no-ssl'] === true ? undefined : await agreeOnTrust(node, input, io)
    const source = { fileFlag: 'password-file', env: 'KEYHSM_PIN', prompt: 'HSM login password' }
    const text = await readSecret(input, io, source)
    return await withSecret(SecretBytes.own(Buffer.from(text, 'utf8')), (password) =>
      probeAppliance({
        node,
        user: textOf(input, 'user') ?? '',
        password,
        dialect,
        ...(tls === undefined ? {} : { tls }),
      }),
    )
  },
  print(report: ProbeReport, io) {
    for (const line of report.session) printLine(line, io)
    io.words(`version ${report.version ?? 'unknown'}, ${report.device ?? 'device unknown'}`)
    for (const { message, detail, remedy } of report.faults) {
      io.words(detail === '' ? message : `${message}: ${detail}`)
      io.hint(remedy)
    }
    for (const failure of report.failures) io.words(failure)
    const { capabilities } = report
    if (capabilities)
      io.words(`the appliance can do: ${capabilities.kinds.join(', ') || 'nothing'}`)
    io.words('names, keys and password are left out above; read it before you show it to anybody')
  },
  exitCode: ({ faults, failures }: ProbeReport) => (faults.length + failures.length > 0 ? 1 : 0),
}

/** Nothing secret is sent before somebody has said that the certificate is right. */
async function agreeOnTrust(node: NaeNode, input: Input, io: Io): Promise<NaeTls> {
  const given = textOf(input, 'server-fingerprint')
  if (given !== undefined) return { pinned: [parseFingerprint(given)] }
  const { fetchApplianceCertificate } = await loadKeySecure()
  const shown = await fetchApplianceCertificate(node, new Date())
  if ('remedy' in shown) {
    throw new DomainError('ERR_UNAVAILABLE', `${shown.message}: ${shown.detail}`, {
      hints: [shown.remedy],
    })
  }
  // The name is whatever the server likes it to be.
  const subject = shown.certificate.subject.replaceAll('\n', ', ').replaceAll(/[^ -~]/g, '?')
  io.words(subject)
  io.words(`certificate ${shown.fingerprint}`)
  for (const { message } of shown.warnings) io.words(`warning: ${message}`)
  const pinned = { pinned: [shown.fingerprint] }
  if (io.isTerminal && /^y(es)?$/i.test(await io.ask('Trust this server? [y/N] '))) return pinned
  throw new DomainError(
    'ERR_NOT_ALLOWED',
    'the server is not trusted, and nothing was sent to it',
    {
      hints: [
        'compare the fingerprint with the appliance’s console',
        'then give --server-fingerprint F',
      ],
    },
  )
}

function parseNode(text: string): NaeNode {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?$/.exec(text)
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || port < 1 || port > 65_535) {
    throw invalidInput('address', 'must be HOST or HOST:PORT')
  }
  return { host, port }
}

function parseFingerprint(text: string): Fingerprint {
  const hex = text.toLowerCase().replaceAll(':', '')
  if (/^[0-9a-f]{64}$/.test(hex)) return hex as Fingerprint
  throw invalidInput('--server-fingerprint', 'must be 64 hex digits, colons allowed')
}

function textOf({ options }: Input, flag: string): string | undefined {
  const value = options[flag]
  return typeof value === 'string' ? value : undefined
}
