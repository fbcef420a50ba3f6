/** Row 9: a key is deleted with the HSM's own tool after it was used. */
import { entriesAfter, lastSequence } from './lib/audit.mjs'
import { facts } from './lib/case.mjs'
import { codeOf, keytrustee, openClient } from './lib/clients.mjs'

const handles = ['deleted', 'kept-1', 'kept-2']

const cases = [
  {
    row: 9,
    name: 'private key deleted with pkcs11-tool, then get at once',
    expected: 'opened before, ERR_IRRETRIEVABLE within 1 s, audit says irretrievable, others open',
    run: async ({ stack, client }) => {
      const { trustee } = client
      const before = await Promise.all(handles.map((handle) => codeOf(trustee.get(handle))))
      const label = await labelOf(stack, 'deleted')
      const sequence = lastSequence(stack, 'keyhsm')
      await stack.run(stack.pkcs11Tool(`--delete-object --type privkey --label ${label}`))
      const deletedAt = performance.now()
      const code = await codeOf(trustee.get('deleted'))
      const tookMs = performance.now() - deletedAt
      const others = await Promise.all(
        handles.slice(1).map((handle) => codeOf(trustee.get(handle))),
      )
      const outcome = entriesAfter(stack, 'keyhsm', sequence).find(
        (entry) => entry.event === 'outcome' && entry.subject?.handle === 'deleted',
      )?.outcome
      return facts(
        [before.every((each) => each === 'ok'), 'opened before', before.join(' ')],
        [code === 'ERR_IRRETRIEVABLE', 'ERR_IRRETRIEVABLE', code],
      ).concat(
        ` ${facts(
          [tookMs < 1000, 'within 1 s', `after ${Math.round(tookMs)} ms`],
          [outcome === 'irretrievable', 'audit says irretrievable', `audit says ${outcome}`],
          [others.every((each) => each === 'ok'), 'others open', others.join(' ')],
        )}`,
      )
    },
  },
  {
    row: 9,
    name: 'keytrustee get of it, and of another',
    expected: 'exit 1, irretrievable and final; exit 0',
    run: async ({ stack }) => {
      const gone = await keytrustee(stack, 'get deleted --no-seal')
      const kept = await keytrustee(stack, 'get kept-1 --no-seal')
      const words = facts([
        /irretrievable[^]*final/.test(gone.stderr),
        'irretrievable and final',
        gone.stderr,
      ])
      return `exit ${gone.exit}, ${words}; exit ${kept.exit}`
    },
  },
  {
    row: 9,
    name: 'after both services were started again',
    expected: 'ERR_IRRETRIEVABLE, others open',
    run: async ({ stack, client }) => {
      await stack.stop()
      await stack.start()
      const code = await codeOf(client.trustee.get('deleted'))
      const others = await Promise.all(
        handles.slice(1).map((handle) => codeOf(client.trustee.get(handle))),
      )
      return `${code}, ${facts([others.every((each) => each === 'ok'), 'others open', others.join(' ')])}`
    },
  },
]

async function labelOf(stack, handle) {
  const { stdout } = await stack.run('keyhsm keys list --json', { quiet: true })
  return JSON.parse(stdout).find(({ label }) => label.startsWith(`${handle}-`)).label
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  async prepare(stack) {
    const client = await openClient(stack)
    for (const handle of handles) await client.trustee.put({ handle, content: stack.secret })
    return { client }
  },
  restore: ({ client }) => client.transport.destroy(),
}
