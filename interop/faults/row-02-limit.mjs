/** Row 2: content over the limit is refused by the client, by the Trustee Server and by Key HSM, before the HSM is touched. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { watchHsm } from './lib/audit.mjs'
import { facts } from './lib/case.mjs'
import { ask, identityOf, keytrustee, openClient, verdictOf } from './lib/clients.mjs'

const limit = 2 ** 20

const cases = [
  {
    row: 2,
    name: 'keytrustee put of 1 MiB, the limit itself',
    expected: 'exit 0, the same bytes come back',
    run: async ({ stack }) => {
      const content = randomBytes(limit)
      writeFileSync(join(stack.home, 'content-limit'), content)
      const { exit } = await keytrustee(stack, 'put at-the-limit content-limit')
      const back = await keytrustee(stack, 'get at-the-limit')
      return `exit ${exit}, ${facts([back.stdoutBytes.equals(content), 'the same bytes come back'])}`
    },
  },
  {
    row: 2,
    name: 'keytrustee put of 1 MiB and one byte',
    expected: 'exit 2, names the limit, Key HSM not asked',
    run: async ({ stack }) => {
      writeFileSync(join(stack.home, 'content-over'), randomBytes(limit + 1))
      const put = () => keytrustee(stack, 'put over-the-limit content-over')
      const { result, untouched } = await watchHsm(stack, put)
      const named = result.stderr.includes(String(limit)) || /1 MiB|1M\b/.test(result.stderr)
      return `exit ${result.exit}, ${facts([named, 'names the limit', result.stderr], [untouched, 'Key HSM not asked', 'KEY HSM ASKED'])}`
    },
  },
  ...[
    ['content of 2 MiB sent to the server', 2 * limit],
    ['body larger than any content', 25 * limit],
  ].map(([name, bytes]) => ({
    row: 2,
    name,
    expected: '413 ERR_TOO_LARGE, Key HSM not asked',
    run: async ({ stack }) => {
      const body = {
        requestId: crypto.randomUUID(),
        content: Buffer.alloc(bytes).toString('base64'),
      }
      const put = () =>
        ask(stack, '/v1/deposits/too-large', { method: 'PUT', body, tls: identityOf(stack) })
      const { result, untouched } = await watchHsm(stack, put)
      return `${verdictOf(result)}, ${facts([untouched, 'Key HSM not asked', 'KEY HSM ASKED'])}`
    },
  })),
  {
    row: 2,
    name: 'nothing of it is there afterwards',
    expected: 'no deposit, no reservation',
    run: async ({ stack, client }) => {
      const found = await Promise.all(
        ['over-the-limit', 'too-large'].map((handle) => client.trustee.find(handle)),
      )
      const status = await stack.run('ktadmin status --json', { exit: 'any', quiet: true })
      const { pendingPuts } = JSON.parse(status.stdout)
      return facts(
        [found.every((deposit) => deposit === undefined), 'no deposit'],
        [pendingPuts === 0, 'no reservation'],
      )
    },
  },
]

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  prepare: async (stack) => ({ client: await openClient(stack) }),
  restore: ({ client }) => client.transport.destroy(),
}
