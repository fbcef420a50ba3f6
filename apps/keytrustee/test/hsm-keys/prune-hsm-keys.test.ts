import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError, newUuid, parseRealm } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { type PruneLink, pruneReported, reportOrphans } from '../../src/hsm-keys/prune-hsm-keys.js'
import type { PruneReport } from '../../src/hsm-keys/prune-report.js'
import { canary } from '../support/key-hsm-double.js'
import {
  addCaller,
  makeSurroundings,
  putRequest,
  type Surroundings,
} from '../support/surroundings.js'

const day = 86400_000
const order = () => ({ requestId: newUuid(), actor: 'alice' })

function linkOf(at: Surroundings, realm = 'default'): PruneLink {
  return { joined: { realm: parseRealm(realm) }, calls: at.keyHsm }
}

/** A deposit, and an orphan as a crash after sealing leaves it. */
async function withOrphan() {
  const at = await makeSurroundings()
  const caller = await addCaller(at)
  await putDeposit(at.trustee, caller, putRequest('kept', 'x'))
  const [keptId = ''] = at.keyHsm.keys.keys()
  const orphan = await sealAway(at, 'lost')
  const report = () =>
    reportOrphans(at.trustee, linkOf(at), { ...order(), directory: join(at.directory, 'prune') })
  const confirm = (of: PruneReport) =>
    pruneReported(at.trustee, linkOf(at), { ...order(), report: of })
  return { at, caller, keptId, orphan, report, confirm }
}

async function sealAway(
  at: Surroundings,
  handle: string,
  scope: 'deposit' | 'service' = 'deposit',
) {
  const context = { organisation: newUuid(), deposit: newUuid(), handle, revision: 1 }
  const content = Buffer.from('x')
  const { hsmKeyId } = await at.keyHsm.seal({
    requestId: newUuid(),
    context,
    scope,
    content,
    canary,
  })
  return hsmKeyId
}

describe('prune', () => {
  test('reports the orphan and destroys it only with a report a day after its first', async () => {
    const { at, keptId, orphan, report, confirm } = await withOrphan()
    const first = await report()
    expect(first.report.keys.map(({ id }) => id)).toEqual([orphan])
    expect(first.destroyable).toBe(0)
    expect(JSON.parse(await readFile(first.file, 'utf8'))).toEqual(first.report)

    at.clock.advance(day - 1)
    const early = await report()
    expect(early.destroyable).toBe(0)
    expect(await confirm(early.report)).toMatchObject({
      destroyed: [],
      kept: [{ id: orphan, reason: 'not reported long enough' }],
    })

    at.clock.advance(1)
    const second = await report()
    expect(second.destroyable).toBe(1)
    expect(at.keyHsm.keys.size).toBe(2)
    // The first report's own age does not count: nobody looked a second time before it was written.
    expect((await confirm(first.report)).destroyed).toEqual([])
    expect((await confirm(second.report)).destroyed).toMatchObject([{ id: orphan }])
    expect([...at.keyHsm.keys.keys()]).toEqual([keptId])
    expect(at.keyHsm.calls.at(-1)).toMatchObject({ verb: 'revoke', reason: 'prune' })
    expect((await confirm(second.report)).kept).toMatchObject([{ reason: 'gone from the HSM' }])
    expect((await at.auditLines()).filter(({ operation }) => operation === 'prune')).toMatchObject([
      { event: 'intent', actor: 'alice' },
      { event: 'outcome', outcome: 'revoked' },
    ])
  })

  test('an orphan that was not one in between starts again', async () => {
    const { at, report } = await withOrphan()
    await report()
    const [id, key] = [...at.keyHsm.keys].at(-1) ?? []
    if (!id || !key) throw new Error('no orphan')
    at.keyHsm.keys.delete(id)
    at.clock.advance(day)
    expect((await report()).report.keys).toEqual([])
    at.keyHsm.keys.set(id, key)
    at.clock.advance(day)
    expect((await report()).destroyable).toBe(0)
  })

  test('keys of a put under way, also with a cut handle or an unreadable label, are no orphans', async () => {
    const { at, caller, report } = await withOrphan()
    const long = 'h'.repeat(100)
    const cut = await sealAway(at, `${'h'.repeat(36)}-Ab3dE9`)
    const renamed = await sealAway(at, 'x')
    const key = at.keyHsm.keys.get(renamed)
    if (key)
      at.keyHsm.keys.set(renamed, { ...key, entry: { ...key.entry, label: 'renamed by somebody' } })
    const all = (await report()).report.keys.map(({ id }) => id)
    expect(all).toHaveLength(3)
    await at.store.withTransaction((transaction) =>
      transaction.insertPendingPut({
        requestId: newUuid(),
        client: caller.client.uuid,
        organisation: caller.organisation.uuid,
        deposit: newUuid(),
        handle: long as never,
        revision: 1,
        contentBytes: 1,
        startedAt: at.clock.now(),
      }),
    )
    const left = (await report()).report.keys.map(({ id }) => id)
    expect(left).toHaveLength(1)
    expect(left).not.toContain(cut)
    expect(left).not.toContain(renamed)
  })

  test('keys of a move under way are no orphans, before and at the confirmation', async () => {
    const { at, orphan, report, confirm } = await withOrphan()
    await report()
    at.clock.advance(day)
    const { report: second } = await report()
    await at.trustee.moves.during(['lost' as never], async () => {
      expect((await report()).report.keys).toEqual([])
      expect(await confirm(second)).toMatchObject({
        destroyed: [],
        kept: [{ id: orphan, reason: 'a migration under way may need it' }],
      })
    })
    expect((await confirm(second)).destroyed).toMatchObject([{ id: orphan }])
  })

  test('an HSM that cannot be asked is named, and what is in the others is pruned', async () => {
    const { at, orphan, report } = await withOrphan()
    at.keyHsm.backends.push({ name: 'away' })
    const reported = await report()
    expect(reported.unreachable).toEqual(['away'])
    expect(reported.report.keys.map(({ id }) => id)).toEqual([orphan])
  })

  test('every revision counts, and shared keys are never touched', async () => {
    const { at, caller, orphan, report } = await withOrphan()
    await putDeposit(at.trustee, caller, putRequest('kept', 'second'))
    await sealAway(at, 'shared', 'service')
    expect((await report()).report.keys.map(({ id }) => id)).toEqual([orphan])
  })

  test('an orphan that is needed by the time of the confirmation is kept', async () => {
    const { at, caller, orphan, report, confirm } = await withOrphan()
    await report()
    at.clock.advance(day)
    const { report: second } = await report()
    // The key turns out to be a deposit's own: a row restored from a backup, say.
    const original = at.store.findHsmKeyUses.bind(at.store)
    at.store.findHsmKeyUses = async (ids, most) => {
      const uses = new Map(await original(ids, most))
      uses.set(orphan as never, [
        { deposit: caller.client.uuid, handle: 'h' as never, revision: 1 },
      ])
      return uses
    }
    expect(await confirm(second)).toMatchObject({
      destroyed: [],
      kept: [{ reason: 'needed by a deposit' }],
    })
    expect(at.keyHsm.keys.has(orphan)).toBe(true)
  })

  test.each([
    [
      'an older first report',
      (report: PruneReport) => ({
        ...report,
        keys: report.keys.map((key) => ({ ...key, firstReportedAt: '2020-01-01T00:00:00.000Z' })),
      }),
    ],
    [
      'another key',
      (report: PruneReport, kept: string) => ({
        ...report,
        keys: report.keys.map((key) => ({ ...key, id: kept })),
      }),
    ],
    ['a later time', (report: PruneReport) => ({ ...report, madeAt: '2030-01-01T00:00:00.000Z' })],
    ['no mac', (report: PruneReport) => ({ ...report, mac: '0'.repeat(64) })],
  ])('a report changed by hand is refused: %s', async (_, change) => {
    const { at, keptId, report, confirm } = await withOrphan()
    const { report: genuine } = await report()
    await expect(confirm(change(genuine, keptId))).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
    })
    expect(at.keyHsm.keys.size).toBe(2)
  })

  test('a report of another realm is refused, and forged files in the folder are not believed', async () => {
    const { at, report } = await withOrphan()
    const { report: genuine, file } = await report()
    const other = pruneReported(at.trustee, linkOf(at, 'other'), { ...order(), report: genuine })
    await expect(other).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
    const keys = genuine.keys.map((key) => ({
      ...key,
      firstReportedAt: '2020-01-01T00:00:00.000Z',
    }))
    await writeFile(file.replace('2026', '2027'), JSON.stringify({ ...genuine, keys }))
    await writeFile(file.replace('2026', '2028'), 'not json')
    at.clock.advance(1000)
    expect((await report()).destroyable).toBe(0)
  })

  test('without the HSM nothing is reported', async () => {
    const { at, report } = await withOrphan()
    at.keyHsm.listHsmKeys = () => {
      throw new DomainError('ERR_UNAVAILABLE', 'connection refused')
    }
    await expect(report()).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
    expect((await at.auditLines()).at(-1)).toMatchObject({
      operation: 'prune-report',
      outcome: 'unavailable',
    })
  })
})
