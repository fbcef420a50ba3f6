/** Row 3: a handle that is taken. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lastSequence } from './lib/audit.mjs'
import { facts } from './lib/case.mjs'
import { ask, identityOf, keytrustee, verdictOf } from './lib/clients.mjs'

const contents = { old: 'the first content', next: 'the second content' }

const cases = [
  {
    row: 3,
    name: 'keytrustee put under a taken handle',
    expected: 'exit 1, says that the handle is taken, old content unchanged, no HSM key made',
    run: async ({ stack }) => {
      await keytrustee(stack, 'put taken old', { exit: 0 })
      const before = lastSequence(stack, 'keyhsm')
      const { exit, stderr } = await keytrustee(stack, 'put taken next')
      const asked = lastSequence(stack, 'keyhsm') !== before
      const back = await keytrustee(stack, 'get taken')
      return `exit ${exit}, ${facts(
        [/handle taken is taken/.test(stderr), 'says that the handle is taken', stderr],
        [back.stdout === contents.old, 'old content unchanged'],
        [!asked, 'no HSM key made'],
      )}`
    },
  },
  {
    row: 3,
    name: 'the same by HTTP with If-None-Match: *',
    expected: '409 ERR_ALREADY_EXISTS',
    run: async ({ stack }) => {
      const { cert, key } = identityOf(stack)
      const headers = { 'content-type': 'application/json', 'if-none-match': '*' }
      const body = { requestId: crypto.randomUUID(), content: 'eA==' }
      const tls = { cert, key, headers }
      return verdictOf(await ask(stack, '/v1/deposits/taken', { method: 'PUT', body, tls }))
    },
  },
  {
    row: 3,
    name: 'keytrustee put --replace',
    expected: 'exit 0, new content under the handle, earlier revision by its uuid',
    run: async ({ stack }) => {
      const list = await ask(stack, '/v1/deposits', { tls: identityOf(stack) })
      const { revisionUuid } = list.body.deposits.find(({ handle }) => handle === 'taken')
      const { exit } = await keytrustee(stack, 'put taken next --replace')
      const now = await keytrustee(stack, 'get taken')
      const earlier = await keytrustee(stack, `get ${revisionUuid}`)
      return `exit ${exit}, ${facts(
        [now.stdout === contents.next, 'new content under the handle', now.stderr],
        [earlier.stdout === contents.old, 'earlier revision by its uuid', earlier.stderr],
      )}`
    },
  },
]

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  async prepare(stack) {
    for (const [name, text] of Object.entries(contents)) writeFileSync(join(stack.home, name), text)
    return {}
  },
}
