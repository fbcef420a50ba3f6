/** The private database as its administrator reaches it: the socket, and the OS user whose cluster it is. */
import { spawnSync } from 'node:child_process'
import { chownSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from './case.mjs'
import { postmasterPidOf } from './processes.mjs'

const port = 11381
const name = 'keytrustee'

export function socketDirectoryOf(stack) {
  return JSON.parse(readFileSync(join(stack.home, 'keytrustee/db/cluster.json'), 'utf8'))
    .socketDirectory
}

/** psql as the user of the cluster, or as another; arguments and input as given. */
export function psql(stack, text, { user = 'keytrustee', role } = {}) {
  const args = ['-X', '-At', '-v', 'ON_ERROR_STOP=1', '-h', socketDirectoryOf(stack)]
  const command = ['psql', ...args, '-p', String(port), '-d', name, ...(role ? ['-U', role] : [])]
  const [program, ...rest] = stack.isRoot ? ['runuser', '-u', user, '--', ...command] : command
  return spawnSync(program, rest, { input: text, encoding: 'utf8', timeout: 20_000, cwd: '/' })
}

/** Rows as lists of texts. @throws when a statement fails. */
export function sql(stack, text) {
  const result = psql(stack, text)
  if (result.status !== 0) throw new Error(`psql: ${result.stderr}`)
  return result.stdout
    .split('\n')
    .filter((line) => line !== '' && !/^(UPDATE|INSERT|DELETE|ALTER|BEGIN|COMMIT|SET) ?/.test(line))
    .map((line) => line.split('|'))
}

/** An SQL text literal. */
export function literal(text) {
  return `'${text.replaceAll("'", "''")}'`
}

/** Lets the cluster log every statement while `work` runs; returns what the Trustee Server executed, values left out. */
export async function statementsOf(stack, work) {
  const folder = join(stack.home, 'keytrustee/db/log')
  const before = logSize(folder)
  const result = await work()
  await pause(300)
  const text = readLog(folder).slice(before)
  const statements = [
    ...text.matchAll(/LOG: {2}(?:execute|statement)[^:]*: ([^\n]*(?:\n\t[^\n]*)*)/g),
  ]
  return { result, statements: statements.map((match) => match[1].replaceAll(/\s+/g, ' ')) }
}

/** Switches the logging of statements on or off, with a file of the operator's own in `conf.d`. */
export async function logStatements(stack, wanted) {
  const file = join(stack.home, 'keytrustee/db/data/conf.d/90-log-statements.conf')
  if (wanted) {
    const { uid, gid } = statSync(join(stack.home, 'keytrustee/db/data'))
    writeFileSync(file, "log_statement = 'all'\n", { mode: 0o600 })
    chownSync(file, uid, gid)
  } else rmSync(file, { force: true })
  process.kill(postmasterPidOf(stack), 'SIGHUP')
  await pause(300)
}

function logFiles(folder) {
  return readdirSync(folder)
    .filter((file) => file.startsWith('postgresql-'))
    .sort()
}

function readLog(folder) {
  return logFiles(folder)
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('')
}

function logSize(folder) {
  return readLog(folder).length
}
