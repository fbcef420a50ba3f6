/** Row 9: a key is deleted with the HSM's own tool after it was used. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { entriesAfter, lastSequence } from './lib/audit.mjs'
import { facts } from './lib/case.mjs'
import { codeOf, keytrustee, openClient } from './lib/clients.mjs'

const handles = ['deleted', 'kept-1', 'kept-2']
const halved = 'halved'
const shared = 'under-the-service-key'

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
    name: 'public half alone deleted with pkcs11-tool, its key looked for; the half put back',
    expected: 'ERR_HSM_REFUSED, not irretrievable; put back: ok',
    run: async ({ stack, client }) => {
      const { trustee } = client
      const label = await labelOf(stack, halved)
      const half = `--type pubkey --label ${label}`
      const { id } = await keyOf(stack, halved)
      const saved = await stack.run(stack.pkcs11Tool(`--read-object ${half}`), { quiet: true })
      const file = join(stack.home, 'public-half.der')
      writeFileSync(file, saved.stdoutBytes, { mode: 0o644 })
      await stack.run(stack.pkcs11Tool(`--delete-object ${half}`))
      await stack.run('keyhsm keys list', { quiet: true })
      const code = await codeOf(trustee.get(halved))
      await stack.run(stack.pkcs11Tool(`--write-object ${file} ${half} --id ${id}`))
      const later = await codeOf(trustee.get(halved))
      return `${code}, ${facts([code !== 'ERR_IRRETRIEVABLE', 'not irretrievable'])}; put back: ${later}`
    },
  },
  {
    row: 9,
    name: 'key that all deposits of scope service share deleted with pkcs11-tool',
    expected: 'ERR_IRRETRIEVABLE within 1 s, others open, a new deposit of the scope: ok, ok',
    run: async ({ stack, client }) => {
      const { trustee } = client
      const label = await labelOf(stack, 'service-default')
      await stack.run(stack.pkcs11Tool(`--delete-object --type privkey --label ${label}`))
      const deletedAt = performance.now()
      const code = await codeOf(trustee.get(shared))
      const tookMs = performance.now() - deletedAt
      const other = await codeOf(trustee.get('kept-1'))
      const put = await codeOf(putShared(trustee, `${shared}-again`, stack.secret))
      const get = await codeOf(trustee.get(`${shared}-again`))
      return `${code} ${facts(
        [tookMs < 1000, 'within 1 s', `after ${Math.round(tookMs)} ms`],
        [other === 'ok', 'others open', other],
      )}, a new deposit of the scope: ${put}, ${get}`
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
  return (await keyOf(stack, handle)).label
}

async function keyOf(stack, handle) {
  const { stdout } = await stack.run('keyhsm keys list --json', { quiet: true })
  return JSON.parse(stdout).find(({ label }) => label.startsWith(`${handle}-`))
}

function putShared(trustee, handle, content) {
  return trustee.put({ handle, content, scope: 'service' })
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  async prepare(stack) {
    const client = await openClient(stack)
    for (const handle of [...handles, halved])
      await client.trustee.put({ handle, content: stack.secret })
    await putShared(client.trustee, shared, stack.secret)
    return { client }
  },
  restore: ({ client }) => client.transport.destroy(),
}
