/** A purge that was cut off is ended by whichever instance comes by, without being asked. */
import { afterEach, expect, it } from 'vitest'
import { type ResumeOptions, resumePurges } from '../../src/zone-keys/resume-purges.js'
import { cutOffPurge, gone } from '../support/cut-off-purge.js'
import { makeTestKms, type TestKms } from '../support/test-kms.js'

const open: TestKms[] = []
afterEach(() => {
  for (const kms of open.splice(0)) kms.close()
})

/** A key `k` of two versions whose purge got as far as the mark, and another instance. */
async function cutOff() {
  const one = await makeTestKms({ describeMs: 0 })
  const two = await makeTestKms({ describeMs: 0, vault: one.vault, clock: one.clock })
  open.push(one, two)
  const post = (path: string, body?: object) =>
    one.ask(path, { method: 'POST', user: 'alice', body: body ?? {} })
  await cutOffPurge(one)
  return { one, two, post }
}

async function resume(kms: TestKms, o: Partial<ResumeOptions> = {}) {
  const ended: string[] = []
  const failures: unknown[] = []
  await resumePurges(kms.keys, {
    by: 'keytrustee-kms',
    quietMs: 0,
    goesOn: () => true,
    async around(name, end) {
      const { versions } = await end()
      ended.push(`${name} ${versions}`)
    },
    onFailure: (error) => failures.push(error),
    ...o,
  })
  return { ended, failures }
}

const versionsLeft = ({ vault }: TestKms) =>
  [...vault.rows.keys()].filter((handle) => handle.startsWith('kms.v.')).length
const namesOf = async (kms: TestKms) =>
  (await kms.keys.directory.lookAll()).map(({ deleted }) => deleted.length)

it('ends it, once', async () => {
  const { two } = await cutOff()
  expect(versionsLeft(two)).toBe(2)
  expect(await resume(two)).toEqual({ ended: ['k 2'], failures: [] })
  expect([versionsLeft(two), await namesOf(two)]).toEqual([0, [0]])
  expect((await resume(two)).ended).toEqual([])
})

it('leaves one that was at work a moment ago to the instance that does it', async () => {
  const { two } = await cutOff()
  expect((await resume(two, { quietMs: 60_000 })).ended).toEqual([])
  two.clock.advance(60_000)
  expect((await resume(two, { quietMs: 60_000 })).ended).toEqual(['k 2'])
})

it('purges nothing that was deleted since', async () => {
  const { one, two, post } = await cutOff()
  await post('/v1/keys', { name: 'k' })
  await one.ask('/v1/key/k', { method: 'DELETE', user: 'alice' })
  expect((await resume(two)).ended).toEqual(['k 2'])
  expect([versionsLeft(two), await namesOf(two)]).toEqual([1, [1]])
  expect((await post('/v1/trustee/key/k?trusteeOp=undelete')).status).toBe(200)
})

it('tells a failure and succeeds the next time; two at once do no harm', async () => {
  const { one, two } = await cutOff()
  const purge = two.vault.purge.bind(two.vault)
  two.vault.purge = gone
  const { ended, failures } = await resume(two)
  expect([ended, failures]).toEqual([[], [expect.objectContaining({ code: 'ERR_UNAVAILABLE' })]])
  two.vault.purge = purge
  const both = await Promise.all([resume(one), resume(two)])
  expect(both.flatMap(({ failures: all }) => all)).toEqual([])
  expect([versionsLeft(two), await namesOf(two)]).toEqual([0, [0]])
})

it('begins none when the service stops', async () => {
  const { two } = await cutOff()
  expect((await resume(two, { goesOn: () => false })).ended).toEqual([])
  expect(versionsLeft(two)).toBe(2)
})
