/**
 * Row 10: a service is killed at each named step between the making of an HSM key and the acknowledgement. What random
 * moments add, `npm run crash-loop` shows.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { depositSteps } from '@keyhsm/core'
import { facts, until } from './lib/case.mjs'
import { codeOf, openClient } from './lib/clients.mjs'
import { isAlive, pidOf } from './lib/processes.mjs'

/** From here on the deposit is in the database, though nobody was told. */
const committed = depositSteps.indexOf('put:committed')
/** From here on, until the commit, there is an HSM key that no deposit needs. */
const created = depositSteps.indexOf('seal:key-created')

const cases = depositSteps.map((step, index) => ({
  row: 10,
  name: `${serviceAt(step)} killed at ${step}`,
  expected: `killed there, not acknowledged, ${index >= committed ? 'stored' : 'not stored'}, earlier deposits open, the same request again: ok with one revision`,
  run: async ({ stack, client }) => {
    const { trustee } = client
    const handle = `at-${step.replace(':', '-')}`
    const content = Buffer.from(step)
    const requestId = crypto.randomUUID()
    const service = serviceAt(step)
    const pid = pidOf(stack, service)
    arm(stack, step)
    const first = await codeOf(trustee.put({ handle, content, requestId }))
    const hit = hits(stack).at(-1) === step
    rmSync(join(stack.crashFolder, 'armed'), { force: true })
    if (hit) await until(() => !isAlive(pid), { what: 'its end' })
    if (hit) await stack.run(`${service} start`, { quiet: true })
    const stored = await codeOf(trustee.get(handle))
    const earlier = await codeOf(trustee.get('before-the-crashes'))
    const again = await codeOf(trustee.put({ handle, content, requestId }))
    const back = await trustee.get(handle)
    const whole = back.content.equals(content) && back.deposit.revision === 1
    return facts(
      [hit, 'killed there'],
      [first !== 'ok', 'not acknowledged', 'ACKNOWLEDGED'],
      [
        stored === (index >= committed ? 'ok' : 'ERR_NOT_FOUND'),
        index >= committed ? 'stored' : 'not stored',
        stored,
      ],
      [earlier === 'ok', 'earlier deposits open', earlier],
      [again === 'ok' && whole, 'the same request again: ok with one revision', again],
    )
  },
}))

cases.push(
  {
    row: 10,
    name: 'keys left over by the kills',
    expected: 'all of them listed as orphans, no key of a deposit among them',
    run: async ({ stack, client }) => {
      const { stdout } = await stack.run('ktadmin hsm-keys prune --json', { quiet: true })
      const labels = JSON.parse(stdout).report.keys.map(({ label }) => label)
      const left = depositSteps
        .slice(created, committed)
        .map((step) => `at-${step.replace(':', '-')}`)
      const listed = left.filter((handle) => labels.some((label) => label.startsWith(handle)))
      const codes = await Promise.all(
        depositSteps.map((step) => codeOf(client.trustee.get(`at-${step.replace(':', '-')}`))),
      )
      const needed = await neededLabels(stack)
      return facts(
        [
          listed.length === left.length,
          'all of them listed as orphans',
          `only ${listed.join(' ')} of ${left.join(' ')}`,
        ],
        [
          codes.every((code) => code === 'ok') && !labels.some((label) => needed.has(label)),
          'no key of a deposit among them',
        ],
      )
    },
  },
  {
    row: 10,
    name: 'both audits',
    expected: 'keyhsm verifies, ktadmin verifies',
    run: async ({ stack }) => {
      const seen = []
      for (const program of ['keyhsm', 'ktadmin']) {
        const { exit, stderr } = await stack.run(`${program} audit verify`, { exit: 'any' })
        seen.push(`${program} ${exit === 0 ? 'verifies' : stderr}`)
      }
      return seen.join(', ')
    },
  },
)

function arm(stack, step) {
  writeFileSync(join(stack.crashFolder, 'armed'), step, { mode: 0o666 })
}

function hits(stack) {
  try {
    return readFileSync(join(stack.crashFolder, 'hits'), 'utf8').split('\n').filter(Boolean)
  } catch {
    return []
  }
}

/** Whose step it is, by the program that starts it. */
function serviceAt(step) {
  return step.startsWith('seal:') ? 'keyhsm' : 'keytrustee-server'
}

/** Labels of the keys that stored deposits were sealed under. */
async function neededLabels(stack) {
  const { stdout } = await stack.run('ktadmin hsm-keys list --json', { quiet: true })
  const needed = JSON.parse(stdout).filter(({ uses }) => uses.length > 0)
  return new Set(needed.map(({ label }) => label))
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  async prepare(stack) {
    const client = await openClient(stack)
    await client.trustee.put({ handle: 'before-the-crashes', content: stack.secret })
    return { client }
  },
  restore: ({ client }) => client.transport.destroy(),
}
