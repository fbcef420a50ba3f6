/**
 * The manual's question before deposits move into the HSM, as a person meets it: Ctrl-C at the question and a no change nothing,
 * Ctrl-C in the midst leaves the server at it, and the same command given again shows the rest.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { openTrustee } from './trustee.mjs'

const deposits = 150
const atOnce = 8
const question = 'Do you want to perform this migration now? [y/N]: '
const manual = [
  'Some deposits were found that will need to be moved to the HSM.',
  'Note that although this operation can be interrupted, once complete,',
  'items stored in the HSM must remain there!',
]

/** Key HSM runs. @param {{ stack: object, types: Function }} operator @param {(holds: boolean, what: string) => void} expect */
export async function migratesAtTerminal(operator, expect) {
  const { stack } = operator
  await bringUpUnsealed(stack)
  const order = `ktadmin keyhsm --server https://127.0.0.1:${stack.ports.keyhsm} --fingerprint ${await stack.keyHsmFingerprint()}`
  const interrupted = await operator.types(order, [[question, { key: 'c' }]], { exit: -2 })
  expect(
    manual.every((line) => interrupted.includes(line)),
    'a server with unsealed deposits asks the manual’s question',
  )
  expect((await sealingOf(stack)) === 'pass-through', 'Ctrl-C at the question changes nothing')
  await operator.types(order, [[question, 'n']], { exit: 77 })
  await operator.types(order, [[question, '']], { exit: 77 })
  expect((await sealingOf(stack)) === 'pass-through', 'neither do a no and an empty line')
  const cut = await operator.types(
    order,
    [
      [question, 'y'],
      ['Migrating hsm deposits...', { key: 'c' }, 'anywhere'],
    ],
    { exit: -2 },
  )
  expect(!cut.includes('Migration Complete!'), 'Ctrl-C in the midst ends the command')
  expect((await sealingOf(stack)) === 'hsm', 'and the server goes on: new deposits are sealed')
  const rest = await operator.types(order, [])
  // The server did not wait for it.
  const ended = rest.includes('joined:') && !rest.includes('Migrating')
  expect(
    rest.includes('Migration Complete!') || ended,
    'the same command again shows the rest, or that nothing is left',
  )
  const { stdout } = await stack.run('ktadmin migrate status', { quiet: true })
  expect(stdout.includes(`${deposits} of ${deposits}`), 'and every deposit was moved')
  await expectContents(stack, expect)
}

async function bringUpUnsealed(stack) {
  await stack.setUpTrustee()
  appendFileSync(
    join(stack.home, 'keytrustee/keytrustee.properties'),
    'keytrustee.sealing=pass-through\n',
  )
  await stack.run('keytrustee-server start')
  await stack.addOrganisation()
  await stack.register()
  await eachDeposit(stack, (trustee, handle) =>
    trustee.put({ handle, content: Buffer.from(`of ${handle}`) }),
  )
}

async function expectContents(stack, expect) {
  let sealed = 0
  await eachDeposit(stack, async (trustee, handle) => {
    const { content, deposit } = await trustee.get(handle)
    if (content.toString() === `of ${handle}` && deposit.sealing === 'hsm') sealed += 1
  })
  expect(sealed === deposits, 'all of them are in the HSM and give back what was put')
}

async function eachDeposit(stack, work) {
  const { trustee, transport } = await openTrustee(stack, { connections: atOnce })
  const handles = Array.from({ length: deposits }, (_, index) => `deposit-${index}`)
  const worker = async () => {
    for (let handle = handles.pop(); handle; handle = handles.pop()) await work(trustee, handle)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  await transport.close()
}

async function sealingOf(stack) {
  return JSON.parse((await stack.run('ktadmin status --json', { quiet: true })).stdout).sealing
}
