import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeTestClient, type TestClient } from './run.js'
import { TestTrustee } from './trustee.js'

const keytrustee = join(import.meta.dirname, '../../../bin/keytrustee')
const trustee = new TestTrustee()
let client: TestClient
beforeAll(async () => {
  await trustee.start()
  client = makeTestClient()
})
afterAll(async () => {
  await trustee.stop()
  client.drop()
})

/** Runs a line of shell in the client's home; `$k` is the launcher. */
async function shell(line: string): Promise<{ stdout: string; stderr: string }> {
  const env = {
    PATH: process.env['PATH'],
    KEYHSM_HOME: client.home,
    KEYTRUSTEE_AUTH: trustee.auth,
    k: keytrustee,
  }
  return await promisify(execFile)('sh', ['-euc', line], {
    cwd: client.home,
    env,
    timeout: 25_000,
  })
}

describe('bin/keytrustee as a process', () => {
  it('registers, puts and gets files and pipes byte for byte', async () => {
    const where = `--server ${trustee.url} --server-fingerprint ${trustee.fingerprint}`
    await shell(`"$k" register ${where} --org org --clientname c1`)
    const content = randomBytes(300_000)
    writeFileSync(join(client.home, 'content'), content)
    await shell('"$k" put of-file content; cat content | "$k" put of-pipe -')
    await shell('"$k" get of-file >one; "$k" get of-pipe | cat >two')
    for (const name of ['one', 'two'])
      expect(readFileSync(join(client.home, name)).equals(content)).toBe(true)
  })

  it('is quiet when the reader goes away, and fails when there is no room', async () => {
    const { stderr, stdout } = await shell('"$k" get of-file | head -c 1 >/dev/null; echo $?')
    expect([stdout, stderr]).toEqual(['0\n', ''])
    const full = await shell('"$k" get of-file >/dev/full || echo $?')
    expect(full).toEqual({
      stdout: '69\n',
      stderr: 'keytrustee: cannot write the result to standard output\n',
    })
  })
})
