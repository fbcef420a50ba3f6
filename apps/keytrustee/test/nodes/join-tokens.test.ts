import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fingerprint } from '@keyhsm/core'
import { expect, it, onTestFinished } from 'vitest'
import { makeJoinToken, parseJoinToken, takeJoinToken } from '../../src/nodes/join-tokens.js'
import { parseNodeBundle } from '../../src/nodes/node-bundle.js'

const now = new Date('2026-11-22T10:00:00Z')
const later = new Date(now.getTime() + 60_000)
const fingerprint = 'ab'.repeat(32) as Fingerprint

async function makeOne() {
  const folder = await mkdtemp(join(tmpdir(), 'kt-token-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'tokens.json')
  const { text } = await makeJoinToken(file, { now, validMs: 60_000, madeBy: 'a' }, fingerprint)
  return { file, token: parseJoinToken(text, '--token-file') }
}

it('is used once, and kept as a hash in a private file', async () => {
  const { file, token } = await makeOne()
  expect(token.serverFingerprint).toBe(fingerprint)
  expect(await readFile(file, 'utf8')).not.toContain(token.secret)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  await takeJoinToken(file, token, now)
  await expect(takeJoinToken(file, token, now)).rejects.toMatchObject({
    code: 'ERR_NOT_AUTHENTICATED',
  })
})

it('is refused with another secret, which does not use it up, and after its time', async () => {
  const { file, token } = await makeOne()
  const wrong = { ...token, secret: 'A'.repeat(43) }
  for (const [with_, at] of [
    [wrong, now],
    [token, later],
  ] as const)
    await expect(takeJoinToken(file, with_, at)).rejects.toMatchObject({
      code: 'ERR_NOT_AUTHENTICATED',
    })
  await takeJoinToken(file, token, now)
})

it.each(['', 'ktjoin1.', 'ktjoin1.e30', 'ktjoin2.abc', 'something'])(
  'refuses the text %j',
  (text) => {
    expect(() => parseJoinToken(text, '--token-file')).toThrow('--token-file must hold a token')
  },
)

it.each([
  '',
  '{}',
  '{"format":"keytrustee-node-1","files":{},"settings":{}}',
  '{"format":"keytrustee-node-1","files":{"grant.key":"x","../x":"y"},"settings":{}}',
  '{"format":"keytrustee-node-1","files":{"grant.key":"x",".ca/../x":"y"},"settings":{}}',
])('refuses the bundle %j', (text) => {
  expect(() => parseNodeBundle(text)).toThrow('not understood')
})
