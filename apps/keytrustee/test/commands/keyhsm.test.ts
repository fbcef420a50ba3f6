/** What `ktadmin keyhsm` shows and asks before anything is sent; joining itself is tested against a real Key HSM. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { statusRoute } from '@keyhsm/protocol'
import { describe, expect, test } from 'vitest'
import { ktadmin } from '../../src/programs.js'
import { runCommand } from '../support/run-command.js'
import { startTestServer } from '../support/running-server.js'

/** A TLS server that is no Key HSM: the Trustee Server itself. */
async function running() {
  const at = await startTestServer()
  const { serverFingerprint } = await at.admin(statusRoute)
  const keyhsm = (argv: readonly string[], o: Parameters<typeof runCommand>[3] = {}) =>
    runCommand(ktadmin, dirname(at.paths.root), ['keyhsm', '--server', at.url, ...argv], o)
  return { at, serverFingerprint, keyhsm }
}

describe('ktadmin keyhsm', () => {
  test('another fingerprint than expected: both are shown, nothing is sent, exit 2', async () => {
    const { at, serverFingerprint, keyhsm } = await running()
    const said = await keyhsm(['--trust', '--fingerprint', 'AB'.repeat(32)])
    expect(said.exit).toBe(2)
    expect(said.stderr).toContain(`expected ${'ab'.repeat(32)}`)
    expect(said.stderr).toContain(`shown    ${serverFingerprint}`)
    expect((await at.auditLines()).map(({ operation }) => operation)).toEqual(['start'])
  })

  test('shows the certificate and asks; no is no', async () => {
    const { serverFingerprint, keyhsm } = await running()
    const asked = await keyhsm(['--trust'], { stdin: 'no\n', isTerminal: true })
    expect([asked.exit, asked.stderr]).toEqual([77, expect.stringContaining(serverFingerprint)])
    const unasked = await keyhsm(['--trust'])
    expect([unasked.exit, unasked.stderr]).toEqual([2, expect.stringContaining('--fingerprint')])
  })

  test('a server that is no Key HSM is not joined, however it was accepted', async () => {
    const { at, serverFingerprint, keyhsm } = await running()
    for (const accept of [
      ['--trust', '--yes'],
      ['--fingerprint', serverFingerprint],
    ]) {
      const said = await keyhsm(accept)
      expect(said.exit).not.toBe(0)
    }
    const accepted = await keyhsm(['--trust'], { stdin: 'yes\n', isTerminal: true })
    expect(accepted.exit).not.toBe(0)
    expect(await at.store.findJoin()).toBeUndefined()
    expect((await at.admin(statusRoute)).sealing).toBe('none')
  })

  test.each([
    [['--fingerprint', 'xyz'], 2],
    [['--client-certfile', '/nonexistent', '--trust', '--yes'], 2],
  ])('refuses %j', async (argv, exit) => {
    const { keyhsm } = await running()
    expect((await keyhsm(argv)).exit).toBe(exit)
  })

  test('a map of names is read line by line before anything is asked for', async () => {
    const { at, keyhsm } = await running()
    const file = join(at.paths.root, 'names')
    const said = async (text: string) => {
      await writeFile(file, text)
      return keyhsm(['--trust', '--yes', '--map', file])
    }
    const short = await said('# old new\n\na key a-key\nalone\n')
    expect([short.exit, short.stderr]).toEqual([2, expect.stringContaining('line 4')])
    const wrong = await said('a key -a\n')
    expect([wrong.exit, wrong.stderr]).toEqual([2, expect.stringContaining('line 1')])
    expect((await said('a key a-key\n')).exit).not.toBe(2)
  })

  test('nobody there: unavailable', async () => {
    const { at } = await running()
    const said = await runCommand(ktadmin, dirname(at.paths.root), [
      'keyhsm',
      '--server',
      'https://127.0.0.1:1',
      '--trust',
      '--yes',
    ])
    expect([said.exit, said.stderr]).toEqual([69, expect.stringContaining('connection refused')])
  })
})
