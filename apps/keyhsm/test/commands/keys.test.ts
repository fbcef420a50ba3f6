import { PassThrough, Readable } from 'node:stream'
import { runProgram } from '@keyhsm/command-line'
import { DomainError, type HsmKeyId, newUuid, parseHandle } from '@keyhsm/core'
import { describe, expect, it, vi } from 'vitest'
import { withPartition } from '../../src/commands/with-partition.js'
import { program } from '../../src/program.js'
import {
  connectClient,
  makeClientCertificate,
  makeHome,
  makeRoot,
  startService,
  type TestHome,
  trust,
} from '../home.js'

vi.setConfig({ testTimeout: 60_000 })

/** A command in this process, with a person who types `answer`, or nobody. */
async function run({ root }: TestHome, order: string[], answer?: string) {
  const [stdout, stderr, stdin] = [new PassThrough(), new PassThrough(), Readable.from([])]
  const { user: _user, ...here } = program
  const person =
    answer === undefined
      ? { isTerminal: false }
      : { isTerminal: true, ask: () => Promise.resolve(answer) }
  const io = { stdin, stdout, stderr, env: {}, ...person }
  const status = await runProgram(here, [...order, '--home', root], io)
  const read = (stream: PassThrough) => String(stream.read() ?? '')
  return { status, stdout: read(stdout), stderr: read(stderr) }
}

/** A home with one deposit sealed, its service stopped. */
async function sealOne(scope: 'deposit' | 'service') {
  const home = await makeHome()
  const client = await makeClientCertificate()
  await trust(home, client.certificate)
  const service = await startService(home)
  const trustee = await connectClient(home, service, client)
  const { canary } = await trustee.describe()
  const context = {
    organisation: newUuid(),
    deposit: newUuid(),
    handle: parseHandle('key1'),
    revision: 1,
  }
  const content = Buffer.from('x')
  const sealed = await trustee.seal({ requestId: newUuid(), context, canary, content, scope })
  await service.stop(1000)
  return { home, ...sealed }
}

/** A deposit resealed twice, one copy from the other, and another one that has nothing to do with it. */
async function resealOne() {
  const home = await makeHome()
  const client = await makeClientCertificate()
  await trust(home, client.certificate)
  const service = await startService(home)
  const trustee = await connectClient(home, service, client)
  const { canary } = await trustee.describe()
  const seal = (handle: string) => {
    const context = {
      organisation: newUuid(),
      deposit: newUuid(),
      handle: parseHandle(handle),
      revision: 1,
    }
    const content = Buffer.from('x')
    const order = { requestId: newUuid(), context, canary, content, scope: 'deposit' } as const
    return trustee.seal(order).then((sealed) => ({ ...sealed, context }))
  }
  const first = await seal('key1')
  const other = await seal('key1')
  const { context } = first
  const reseal = async (sealed: Buffer, scope: 'deposit' | 'service') => {
    const deposits = [{ context, sealed, canary }]
    const target = { canary, scope }
    const [moved] = await trustee.move({ requestId: newUuid(), deposits, target })
    if (!moved || moved instanceof DomainError) return expect.fail(String(moved))
    return moved
  }
  const shared = await reseal(first.sealed, 'service')
  const own = await reseal(shared.sealed, 'deposit')
  await service.stop(1000)
  return { home, ...first, copies: [shared, own], other }
}

const count = ({ paths }: TestHome) =>
  withPartition(paths, async ({ hsm }) => (await hsm.listKeys()).length)

describe('keys revoke', () => {
  it('says what it means and does nothing without a person’s yes', async () => {
    const { home, hsmKeyLabel } = await sealOne('service')
    const before = await count(home)
    const nobody = await run(home, ['keys', 'revoke', hsmKeyLabel])
    expect(nobody).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/EVERY deposit of the/),
    })
    expect(nobody.stderr).toMatch(/scope service, realm prod, ec-p256, of \d{4}-\d{2}-\d{2}/)
    expect(await run(home, ['keys', 'revoke', hsmKeyLabel], 'yes')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/nothing is revoked/),
    })
    expect(await count(home)).toBe(before)
  })

  it('revokes a shared key when its label is typed, or given in a script', async () => {
    const { home, hsmKeyLabel } = await sealOne('service')
    const before = await count(home)
    expect(await run(home, ['keys', 'revoke', hsmKeyLabel, '--yes'])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/--confirm .* is needed for each key that deposits share/),
    })
    expect(await count(home)).toBe(before)
    expect(await run(home, ['keys', 'revoke', hsmKeyLabel], hsmKeyLabel)).toMatchObject({
      status: 0,
      stdout: `${hsmKeyLabel}: revoked\n`,
    })
    expect(await count(home)).toBe(before - 1)
    const gone = await run(home, ['keys', 'revoke', hsmKeyLabel, '--confirm', hsmKeyLabel])
    expect(gone).toMatchObject({ status: 1, stderr: expect.stringMatching(/no HSM key fits/) })
    expect(await run(home, ['audit', 'verify'])).toMatchObject({ status: 0 })
  })

  it('finds the copies that reseals made, also of a key that is gone', async () => {
    const { home, hsmKeyId, hsmKeyLabel, copies, other } = await resealOne()
    expect(await run(home, ['keys', 'revoke', hsmKeyId, '--yes'])).toMatchObject({ status: 0 })
    // The first key is gone, and what was resealed from it opens: that is what the option is for.
    const order = ['keys', 'revoke', hsmKeyLabel, '--with-copies', '--yes']
    const refused = await run(home, order)
    expect(refused).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/--confirm service-/),
    })
    const shared = copies.find(({ scope }) => scope === 'service')?.hsmKeyLabel ?? ''
    const revoked = await run(home, [...order, '--confirm', shared])
    expect(revoked.status).toBe(0)
    for (const copy of copies) expect(revoked.stdout).toContain(`${copy.hsmKeyLabel}: revoked`)
    expect(revoked.stdout).not.toContain(other.hsmKeyLabel)
    expect(await run(home, order)).toMatchObject({ status: 1 })
    expect(await run(home, ['keys', 'show', other.hsmKeyId])).toMatchObject({ status: 0 })
  })

  it('finds keys by handle and date and by pattern, and revokes all that are meant', async () => {
    const { home, hsmKeyLabel } = await sealOne('deposit')
    const [, uuid, date] = /^key1-(.{9})-(.{10})$/.exec(hsmKeyLabel) ?? []
    const labels = async (...order: string[]) => {
      const { stdout } = await run(home, ['keys', 'list', ...order, '--json'])
      return (JSON.parse(stdout) as { label: string }[]).map(({ label }) => label)
    }
    expect(await labels('--handle', 'key1', '--date', date ?? '')).toEqual([hsmKeyLabel])
    expect(await labels('key?-*')).toEqual([hsmKeyLabel])
    expect(await labels('--handle', 'key1', '--date', '2015-07-23')).toEqual([])
    expect(await labels('--handle', 'canary')).toEqual([])
    expect((await labels()).length).toBe(4)
    const shown = await run(home, ['keys', 'show', '--handle', 'key1', '--date', date ?? ''])
    for (const line of [/handle: +key1/, `uuid:        ${uuid}`, /scope: +deposit/]) {
      expect(shown.stdout).toMatch(line)
    }
    const all = await run(home, ['keys', 'revoke', '*', '--yes'])
    expect(all).toMatchObject({ status: 77, stderr: expect.stringMatching(/partition’s own key/) })
    expect(await run(home, ['keys', 'revoke', 'key1-*'], 'no')).toMatchObject({ status: 2 })
    expect(await run(home, ['keys', 'revoke', '--handle', 'key1'], 'y')).toMatchObject({
      status: 0,
      stdout: `${hsmKeyLabel}: revoked\n`,
    })
  })

  it.each([
    [['keys', 'revoke'], /KEY or --handle or --date is needed/],
    [['keys', 'show'], /KEY or --handle or --date is needed/],
    [['keys', 'list', 'x', '--handle', 'y'], /--handle cannot be combined/],
    [['keys', 'list', '--date', '2026-13-01'], /--date must be a date/],
    [['keys', 'list', '--handle', '-x'], /--handle/],
  ])('refuses %j', async (order, message) => {
    expect(await run(await makeRoot(), order)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(message),
    })
  })

  it('refuses a label that several keys have, and takes the id', async () => {
    const { home, hsmKeyId, hsmKeyLabel } = await sealOne('deposit')
    const second = 'ab'.repeat(16) as HsmKeyId
    await withPartition(home.paths, async ({ hsm }) => {
      const spec = { id: second, label: hsmKeyLabel, kind: 'ec-p256', use: 'wrap' } as const
      await hsm.createKey(spec)
    })
    const refused = await run(home, ['keys', 'revoke', hsmKeyLabel, '--yes'])
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringMatching(/several keys/) })
    expect(refused.stderr).toContain(hsmKeyId)
    expect(await run(home, ['keys', 'revoke', hsmKeyId, '--yes'])).toMatchObject({ status: 0 })
    const left = await run(home, ['keys', 'show', hsmKeyLabel, '--json'])
    expect(JSON.parse(left.stdout)).toMatchObject({ id: second, purpose: 'unknown' })
  })
})
