/**
 * Proves a Kerberos identity to a KMS and takes its cookie. The ticket is MIT's business and the negotiation curl's: both are where Kerberos is
 * used, and a client of our own would be a second implementation for one command.
 * @see docs/decisions/0095-moving-keys.md
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DomainError } from '@keyhsm/core'

const run = promisify(execFile)
const timeoutMs = 60_000
/** What a ticket and its use depend on; nothing else of the environment is passed on. */
const passed = ['PATH', 'HOME', 'KRB5_CONFIG', 'KRB5CCNAME', 'LANG']

export interface Ticket {
  /** With `principal`: a ticket is got with it, and forgotten afterwards. Absent: the ticket that kinit got. */
  readonly keytab?: Buffer | undefined
  readonly principal?: string | undefined
  /** Certificates that vouch for an https server. */
  readonly ca?: Buffer | undefined
}

/** @throws ERR_NOT_AUTHENTICATED; ERR_UNAVAILABLE when curl or kinit are not installed. */
export async function getNegotiatedCookie(url: string, ticket: Ticket): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keytrustee-kms-'))
  try {
    const env = await ticketEnvironment(folder, ticket)
    const reply = await call('curl', [...(await curlArguments(folder, ticket)), url], env)
    const [, cookie] = /^set-cookie: *hadoop\.auth=("[^"\r\n]+"|[^";\r\n]+)/im.exec(reply) ?? []
    if (cookie !== undefined) return cookie
    const refused = reply.match(/^HTTP\/\S+ \d{3}[^\r\n]*/gm)?.at(-1) ?? 'no answer'
    throw notAuthenticated(`the KMS did not accept the ticket: ${refused}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function ticketEnvironment(folder: string, { keytab, principal }: Ticket) {
  const env: Record<string, string> = {}
  for (const name of passed) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  if (!keytab) return env
  const path = join(folder, 'keytab')
  await writeFile(path, keytab, { mode: 0o600 })
  env['KRB5CCNAME'] = `FILE:${join(folder, 'tickets')}`
  await call('kinit', ['-k', '-t', path, principal ?? ''], env)
  return env
}

async function curlArguments(folder: string, { ca }: Ticket): Promise<readonly string[]> {
  const plain = ['--silent', '--show-error', '--negotiate', '--user', ':']
  const quiet = ['--output', '/dev/null', '--dump-header', '-', '--max-time', '30']
  if (!ca) return [...plain, ...quiet]
  const path = join(folder, 'ca.pem')
  await writeFile(path, ca, { mode: 0o600 })
  return [...plain, ...quiet, '--cacert', path]
}

async function call(
  program: 'curl' | 'kinit',
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string> {
  try {
    return (await run(program, args, { env, timeout: timeoutMs })).stdout
  } catch (error) {
    const { code, stderr = '' } = error as { readonly code?: unknown; readonly stderr?: string }
    if (code === 'ENOENT')
      throw new DomainError('ERR_UNAVAILABLE', `${program} is not installed`, {
        cause: error,
        hints: [`install it: apt-get install ${program === 'curl' ? 'curl' : 'krb5-user'}`],
      })
    throw notAuthenticated(`${program}: ${stderr.trim().split('\n').at(-1) ?? 'failed'}`, error)
  }
}

function notAuthenticated(detail: string, cause?: unknown): DomainError {
  return new DomainError('ERR_NOT_AUTHENTICATED', detail, {
    cause,
    hints: [
      'give --keytab F and --principal P, or run kinit as the user that this command runs as',
    ],
  })
}
