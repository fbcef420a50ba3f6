/** Row 8: the process that holds the HSM's library dies or hangs while clients store and retrieve. */
import { randomBytes } from 'node:crypto'
import { facts, pause } from './lib/case.mjs'
import { ask, codeOf, identityOf, openClient } from './lib/clients.mjs'
import { hostPidOf, isAlive, pidOf } from './lib/processes.mjs'

const workers = 6
const loadBeforeMs = 700
const loadAfterMs = 4000
const recoveryMs = 3000
/** A machine that is busy with something else may miss the time now and then; the rest must hold each time. */
const tries = 3

const inTime = 'recovered within 3 s'
const expected = `only 503 with Retry-After, ${inTime}, nothing lost, no irretrievable, Key HSM not restarted`

const cases = [
  ['killed (SIGKILL)', 'SIGKILL'],
  ['stopped (SIGSTOP)', 'SIGSTOP'],
  ['crashed in the library (SIGSEGV)', 'SIGSEGV'],
].map(([name, signal]) => ({
  row: 8,
  name: `library process ${name} under load`,
  expected,
  limitMs: 90_000,
  run: async (context) => {
    for (let left = tries - 1; ; left -= 1) {
      const seen = await hurt(context, signal)
      const onlyLate = seen.replace(/LAST FAILURE AFTER \d+ ms/, inTime) === expected
      if (seen === expected || !onlyLate || left === 0) return seen
      console.log(`  once more: ${seen}`)
    }
  },
}))

/** What was seen when the process gets this signal. */
async function hurt(context, signal) {
  const service = pidOf(context.stack, 'keyhsm')
  const host = hostPidOf(context.stack)
  const load = startLoad(context)
  await pause(loadBeforeMs)
  const hurtAt = performance.now()
  process.kill(host, signal)
  const answers = await askForSomeTime(context, hurtAt + loadAfterMs)
  const { failures, acknowledged, done } = await load.stop()
  const lost = await countLost(context, acknowledged)
  const late = [...failures, ...answers.filter(({ status }) => status !== 200)]
  const recovered = Math.max(0, ...late.map(({ at }) => at - hurtAt))
  return facts(
    [
      failures.every(isRetry) && answers.every(isRetryReply) && late.length > 0,
      'only 503 with Retry-After',
      summary(failures, answers),
    ],
    [recovered <= recoveryMs && done > 0, inTime, `LAST FAILURE AFTER ${Math.round(recovered)} ms`],
    [lost === 0 && acknowledged.size > 0, 'nothing lost', `${lost} LOST`],
    [!failures.some(({ code }) => code === 'ERR_IRRETRIEVABLE'), 'no irretrievable'],
    [pidOf(context.stack, 'keyhsm') === service && !isAlive(host), 'Key HSM not restarted'],
  )
}

/** Clients that put and get without a pause; a get is always of a deposit that was acknowledged. */
function startLoad({ client, prepared }) {
  const acknowledged = new Map()
  const failures = []
  const stopped = new AbortController()
  let done = 0
  const note = (error) =>
    failures.push({ at: performance.now(), code: error.code, retryAfterMs: error.retryAfterMs })
  const work = async (worker) => {
    for (let i = 0; !stopped.signal.aborted; i++) {
      const handle = `load-${worker}-${randomBytes(4).toString('hex')}-${i}`
      const content = randomBytes(64)
      const step =
        i % 3 === 0
          ? client.trustee.put({ handle, content }).then(() => acknowledged.set(handle, content))
          : client.trustee.get(prepared[i % prepared.length])
      await step.then(() => (done += 1), note)
    }
  }
  const all = Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
  return {
    async stop() {
      stopped.abort()
      await all
      return { failures, acknowledged, done }
    },
  }
}

/** The same as any HTTP client sees it, with the header. */
async function askForSomeTime({ stack, prepared, own }, until) {
  const answers = []
  while (performance.now() < until) {
    const { status, body, headers } = await ask(stack, `/v1/deposits/${prepared[0]}`, { tls: own })
    answers.push({
      at: performance.now(),
      status,
      code: body?.code,
      retry: headers?.['retry-after'],
    })
    await pause(40)
  }
  return answers
}

function isRetry({ code, retryAfterMs }) {
  return ['ERR_HSM_UNAVAILABLE', 'ERR_BUSY', 'ERR_UNAVAILABLE'].includes(code) && retryAfterMs > 0
}

function isRetryReply({ status, retry }) {
  return status === 200 || (status === 503 && /^[1-9]\d*$/.test(retry ?? ''))
}

function summary(failures, answers) {
  const seen = [
    ...failures.map(({ code, retryAfterMs }) => `${code} ${retryAfterMs}`),
    ...answers.map(({ status, code, retry }) => `${status} ${code ?? ''} ${retry ?? ''}`),
  ]
  return `SEEN ${[...new Set(seen)].join(' / ')}`
}

async function countLost({ client }, acknowledged) {
  let lost = 0
  for (const [handle, content] of acknowledged) {
    const back = await client.trustee.get(handle).catch((error) => ({ content: error.code }))
    if (!content.equals(Buffer.from(back.content))) lost += 1
  }
  return lost
}

cases.push({
  row: 8,
  name: 'afterwards',
  expected: 'put ok, get ok',
  run: async ({ client }) => {
    const put = await codeOf(client.trustee.put({ handle: 'calm', content: Buffer.from('calm') }))
    return `put ${put}, get ${await codeOf(client.trustee.get('calm'))}`
  },
})

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  async prepare(stack) {
    const client = await openClient(stack)
    const prepared = ['steady-1', 'steady-2', 'steady-3']
    for (const handle of prepared) await client.trustee.put({ handle, content: stack.secret })
    return { client, prepared, own: identityOf(stack) }
  },
  restore: ({ client }) => client.transport.destroy(),
}
