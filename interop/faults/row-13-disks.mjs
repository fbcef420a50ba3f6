/** Row 13: the database is gone, a disk is full, an audit cannot be written: nothing is acknowledged, and it mends itself. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { facts, until } from './lib/case.mjs'
import { ask, codeOf, identityOf, openClient } from './lib/clients.mjs'
import { sql } from './lib/database.mjs'
import { isAlive, kill, pidOf, postmasterPidOf } from './lib/processes.mjs'

const recoveryMs = 20_000

/**
 * What breaks, what the answers are while it is broken, and which line of which status says so. `breaks` returns what
 * mends it; undefined when nobody has to do anything.
 */
const troubles = [
  {
    name: 'private database stopped by an operator (ktadmin db stop)',
    breaks: async ({ stack }) => {
      await stack.run('ktadmin db stop')
      return () => stack.run('ktadmin db start')
    },
    put: '503 ERR_STORE_UNAVAILABLE',
    get: '503 ERR_STORE_UNAVAILABLE',
    line: ['ktadmin', /^database: +NOT HEALTHY: .*database/m],
  },
  {
    name: 'audit of the Trustee Server not writable',
    breaks: ({ stack }) => forbidWrites(stack, 'keytrustee-server', 'keytrustee'),
    put: '503 ERR_AUDIT_UNAVAILABLE',
    get: '503 ERR_AUDIT_UNAVAILABLE',
    line: ['ktadmin', /^audit: +NOT HEALTHY: the audit cannot be written/m],
  },
  {
    name: 'audit of Key HSM not writable',
    breaks: ({ stack }) => forbidWrites(stack, 'keyhsm', 'keyhsm'),
    put: '503 ERR_HSM_UNAVAILABLE',
    get: '503 ERR_HSM_UNAVAILABLE',
    line: ['keyhsm', /^auditDetail: +the audit cannot be written/m],
  },
  {
    name: 'disk of the Trustee Server’s audit full',
    disk: true,
    breaks: ({ stack }) => stack.disks.fill('keytrustee'),
    put: '503 ERR_AUDIT_UNAVAILABLE',
    get: '503 ERR_AUDIT_UNAVAILABLE',
    line: ['ktadmin', /^audit: +NOT HEALTHY: the audit cannot be written: .*(no space|full)/im],
  },
  {
    name: 'disk of Key HSM’s audit full',
    disk: true,
    breaks: ({ stack }) => stack.disks.fill('keyhsm'),
    put: '503 ERR_HSM_UNAVAILABLE',
    get: '503 ERR_HSM_UNAVAILABLE',
    line: ['keyhsm', /^auditDetail: +the audit cannot be written: .*(no space|full)/im],
  },
  {
    name: 'disk of the database full',
    disk: true,
    breaks: ({ stack }) => stack.disks.fill('database'),
    put: '503 ERR_STORE_UNAVAILABLE',
    get: '200',
    line: ['ktadmin', /^database: +NOT HEALTHY: .*disk.* full/m],
  },
]

const cases = [
  {
    row: 13,
    name: 'postmaster killed, puts and gets without a pause',
    expected:
      'only 503 with Retry-After, recovered within 20 s, nothing acknowledged is lost, server not restarted',
    run: killedDatabase,
  },
  ...troubles.map(({ name, disk, breaks, put, get, line }) => ({
    row: 13,
    name,
    expected: `put ${put} with Retry-After, get ${get}, status exit 69 and its line, mended: recovers by itself, what was not acknowledged is whole or absent`,
    skip: ({ stack }) =>
      disk && !stack.disks ? 'needs root that may mount file systems' : undefined,
    run: (context) => inTrouble(context, { breaks, line }),
  })),
  {
    row: 13,
    name: 'both audits afterwards',
    expected: 'keyhsm verifies, ktadmin verifies',
    run: async ({ stack }) => {
      const seen = []
      for (const program of ['keyhsm', 'ktadmin']) {
        const { exit, stderr, stdout } = await stack.run(`${program} audit verify`, { exit: 'any' })
        seen.push(`${program} ${exit === 0 ? 'verifies' : stdout + stderr}`)
      }
      return seen.join(', ')
    },
  },
]

async function inTrouble(context, { breaks, line }) {
  const { stack, own } = context
  // What still fits is acknowledged and must be there; the first that is refused must not.
  let handle
  const mend = await breaks(context)
  const content = randomBytes(900_000).toString('base64')
  const refused = await until(
    async () => {
      const body = { requestId: crypto.randomUUID(), content }
      handle = `in-trouble-${randomBytes(4).toString('hex')}`
      const reply = await ask(stack, `/v1/deposits/${handle}`, { method: 'PUT', body, tls: own })
      return reply.status === 201 ? undefined : reply
    },
    { limitMs: 5000, what: 'a refusal' },
  ).catch(() => ({ status: 'ACKNOWLEDGED', headers: {} }))
  const got = await ask(stack, '/v1/deposits/before', { tls: own })
  const status = await stack.run(`${line[0]} status`, { exit: 'any' })
  await mend?.()
  const stored = await until(() => findAgain(context, handle), {
    limitMs: recoveryMs,
    what: 'an answer',
  }).catch(() => 'no answer')
  const recovered = await until(async () => (await codeOf(putAgain(context))) === 'ok', {
    limitMs: recoveryMs,
  }).catch(() => false)
  const healthy = await stack.run(`${line[0]} status`, { exit: 'any' })
  return facts(
    [
      /^[1-9]\d*$/.test(refused.headers['retry-after'] ?? ''),
      `put ${words(refused)} with Retry-After`,
      `put ${words(refused)} WITHOUT Retry-After`,
    ],
    [true, `get ${words(got)}`],
    [
      status.exit === 69 && line[1].test(status.stdout),
      'status exit 69 and its line',
      `STATUS ${status.exit}: ${status.stdout}`,
    ],
    [recovered && healthy.exit === 0, 'mended: recovers by itself', `NOT MENDED ${healthy.stdout}`],
    // A disk that fills between commit and outcome entry leaves a whole deposit behind the 503: unknown, never half.
    [
      ['ERR_NOT_FOUND', 'ok'].includes(stored),
      'what was not acknowledged is whole or absent',
      stored,
    ],
  )
}

function words({ status, body, cut }) {
  return cut ?? `${status} ${status === 200 ? '' : (body?.code ?? '')}`.trim()
}

/** The code of a get, as soon as the server can say whether the deposit is there. */
async function findAgain({ client }, handle) {
  const code = await codeOf(client.trustee.get(handle))
  return /UNAVAILABLE|BUSY/.test(code) ? undefined : code
}

function putAgain({ client }) {
  const handle = `after-${randomBytes(4).toString('hex')}`
  return client.trustee.put({ handle, content: Buffer.from('after') })
}

/** A process under this limit writes no file any more; sockets are none. Returns what lifts it. */
function forbidWrites(stack, service, user) {
  const pid = String(pidOf(stack, service))
  const limit = (value) => {
    // The user of the process itself: root without CAP_SYS_RESOURCE may not.
    const command = ['prlimit', '--pid', pid, `--fsize=${value}:`]
    const [program, ...args] = stack.isRoot ? ['runuser', '-u', user, '--', ...command] : command
    const result = spawnSync(program, args, { encoding: 'utf8' })
    if (result.status !== 0) throw new Error(`prlimit: ${result.stderr}`)
  }
  limit(0)
  return () => limit('unlimited')
}

async function killedDatabase({ stack, client, own }) {
  const server = pidOf(stack, 'keytrustee-server')
  const acknowledged = new Map()
  const failures = []
  const killedAt = performance.now()
  await kill(postmasterPidOf(stack))
  let successes = 0
  while (successes < 3 && performance.now() - killedAt < recoveryMs) {
    const handle = `killed-${randomBytes(4).toString('hex')}`
    const body = { requestId: crypto.randomUUID(), content: randomBytes(50).toString('base64') }
    const put = await ask(stack, `/v1/deposits/${handle}`, { method: 'PUT', body, tls: own })
    const get = await ask(stack, '/v1/deposits/before', { tls: own })
    if (put.status === 201) acknowledged.set(handle, body.content)
    successes = put.status === 201 && get.status === 200 ? successes + 1 : 0
    failures.push(...[put, get].filter(({ status }) => status !== 200 && status !== 201))
  }
  let lost = 0
  for (const [handle, content] of acknowledged) {
    const back = await client.trustee.get(handle).catch(() => undefined)
    if (back?.content.toString('base64') !== content) lost += 1
  }
  const clean = failures.every(({ status, headers }) => status === 503 && headers['retry-after'])
  return facts(
    [
      clean && failures.length > 0,
      'only 503 with Retry-After',
      `SEEN ${[...new Set(failures.map(words))].join(' / ')}`,
    ],
    [successes === 3, 'recovered within 20 s'],
    [lost === 0 && acknowledged.size > 0, 'nothing acknowledged is lost', `${lost} LOST`],
    [isAlive(server) && pidOf(stack, 'keytrustee-server') === server, 'server not restarted'],
  )
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'small-disks',
  cases,
  async prepare(stack) {
    const client = await openClient(stack)
    await client.trustee.put({ handle: 'before', content: stack.secret })
    sql(stack, 'checkpoint')
    return { client, own: identityOf(stack) }
  },
  restore: ({ client }) => client.transport.destroy(),
}
