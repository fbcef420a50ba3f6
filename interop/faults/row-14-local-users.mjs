/** Row 14: another user of the machine knocks at the private database, at the management port of Key HSM and at the control socket. */
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { facts } from './lib/case.mjs'
import { psql, sql } from './lib/database.mjs'

const needsRoot = () => (process.getuid() === 0 ? undefined : 'needs root to become another user')

const sockets = [
  {
    name: 'control socket of the Trustee Server',
    path: 'keytrustee/run/control.sock',
    owner: 'keytrustee',
    route: '/v1/admin/status',
  },
]
/** What only its owner may read. */
const secrets = [
  'keyhsm/keystore/settings.key',
  'keyhsm/keystore/keyhsm.p12',
  'keyhsm/admin/local.key',
  'keyhsm/application.properties',
  'keyhsm/audit/audit.log',
  'keytrustee/grant.key',
  'keytrustee/audit.key',
  'keytrustee/admin/root.key',
  'keytrustee/.ca/client-ca-pk.pem',
  'keytrustee/audit/audit.log',
  'client/client.key',
  'client/identity.key',
  'client/age.key',
]

const cases = [
  ...['nobody', 'keyhsm'].map((user) => ({
    row: 14,
    name: `private database: user ${user}`,
    expected: 'refused by the directory of the socket',
    skip: needsRoot,
    run: async ({ stack }) => verdict(psql(stack, 'select 1', { user })),
  })),
  {
    row: 14,
    name: 'private database: root, who can enter the directory, as any role',
    expected: 'refused by peer authentication',
    skip: needsRoot,
    run: async ({ stack }) => {
      const seen = ['root', 'keytrustee', 'keytrustee_server', 'postgres'].map((role) =>
        verdict(psql(stack, 'select 1', { user: 'root', role })),
      )
      return [...new Set(seen)].join(' / ')
    },
  },
  {
    row: 14,
    name: 'private database: its own user as a role it is not mapped to',
    expected: 'refused by peer authentication',
    run: async ({ stack }) => verdict(psql(stack, 'select 1', { role: 'postgres' })),
  },
  {
    row: 14,
    name: 'private database: its own user (so that the others mean something)',
    expected: 'let in',
    run: async ({ stack }) => verdict(psql(stack, 'select 1')),
  },
  {
    row: 14,
    name: 'private database: over TCP',
    expected: 'nothing listens',
    run: async ({ stack }) => {
      const [addresses] = sql(stack, "select 'listens at: ' || current_setting('listen_addresses')")
      return facts([addresses[0] === 'listens at: ', 'nothing listens', addresses[0]])
    },
  },
  ...['nobody', 'keytrustee', 'keyhsm'].map((user) => ({
    row: 14,
    name: `management port of Key HSM: user ${user}, without an administrator’s signature`,
    expected: '401 ERR_NOT_AUTHENTICATED',
    skip: needsRoot,
    run: async ({ stack }) => {
      const url = `http://127.0.0.1:${stack.ports.management}/v1/status`
      return answerOf(as(user, ['curl', '-s', '-m', '5', url]))
    },
  })),
  {
    row: 14,
    name: 'management port of Key HSM: from another address of this machine',
    expected: 'cannot connect',
    run: async ({ stack }) => {
      const url = `http://127.0.0.2:${stack.ports.management}/v1/status`
      return answerOf(spawnSync('curl', ['-s', '-m', '5', url], { encoding: 'utf8' }))
    },
  },
  ...sockets.flatMap(({ name, path, owner, route }) => [
    ...['nobody', owner === 'keyhsm' ? 'keytrustee' : 'keyhsm'].map((user) => ({
      row: 14,
      name: `${name}: user ${user}`,
      expected: 'cannot connect',
      skip: needsRoot,
      run: async ({ stack }) => knock(stack, { path, route }, user),
    })),
    {
      row: 14,
      name: `${name}: its own user without an administrator’s signature`,
      expected: '401 ERR_NOT_AUTHENTICATED',
      run: async ({ stack }) => knock(stack, { path, route }, stack.isRoot ? owner : undefined),
    },
  ]),
  {
    row: 14,
    name: 'files with secrets: user nobody',
    expected: 'none can be read',
    skip: needsRoot,
    run: async ({ stack }) => {
      const readable = secrets.filter(
        (path) => as('nobody', ['cat', join(stack.home, path)]).status === 0,
      )
      const there = secrets.filter(
        (path) => as('root', ['test', '-f', join(stack.home, path)]).status === 0,
      )
      return facts([
        readable.length === 0 && there.length === secrets.length,
        'none can be read',
        `READ ${readable.join(' ')} OF ${there.join(' ')}`,
      ])
    },
  },
]

function as(user, command) {
  return spawnSync('runuser', ['-u', user, '--', ...command], { encoding: 'utf8', cwd: '/' })
}

function verdict({ status, stderr }) {
  if (status === 0) return 'let in'
  if (/Permission denied/.test(stderr)) return 'refused by the directory of the socket'
  if (/Peer authentication failed/.test(stderr)) return 'refused by peer authentication'
  return stderr
}

/** One request without a signature, as `user`. */
function knock(stack, { path, route }, user) {
  const url = `http://localhost${route}`
  const command = ['curl', '-s', '-m', '5', '--unix-socket', join(stack.home, path), url]
  const result = user
    ? as(user, command)
    : spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
  return answerOf(result)
}

function answerOf(result) {
  // "Couldn't connect to server", which permissions are one reason for. @see curl(1)
  if (result.status === 7) return 'cannot connect'
  const { status, code } = JSON.parse(result.stdout)
  return `${status} ${code}`
}

/** @type {import('./lib/case.mjs').Group} */
export const group = { stack: 'shared', cases }
