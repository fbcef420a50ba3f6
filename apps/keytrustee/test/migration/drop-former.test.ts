import { DomainError, newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { formerGrant } from '../../src/deposits/sealed-keys.js'
import { dropFormer, DropProgress } from '../../src/migration/end-moves.js'
import { createKeyHsmSealer } from '../../src/sealing/key-hsm-sealer.js'
import type { Revision, Store, StoredForm } from '../../src/store/store.js'
import { canary } from '../support/key-hsm-double.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'

const content = Buffer.from('content')

/** So many deposits that were moved under other HSM keys, and the end of that migration. */
async function moved(count: number) {
  const at = await makeSurroundings({
    limits: {
      depositsPerClient: count,
      depositsPerOrganisation: count,
      hsmKeysPerHourPerClient: count,
      hsmKeysPerHourPerOrganisation: count,
    },
  })
  const { store, trustee, keyHsm } = at
  const owner = await addCaller(at)
  const hsm = createKeyHsmSealer(keyHsm, { canary }, 'deposit')
  const former = new Set<string>()
  for (let n = 0; n < count; n += 1) {
    const { uuid } = await putDeposit(trustee, owner, putRequest(`h${n}`, content))
    former.add(await move(uuid as Uuid))
  }
  /** @returns the HSM key of the former form */
  async function move(deposit: Uuid): Promise<string> {
    const before = await present(deposit)
    const row = (await store.findDepositByUuid(deposit))?.deposit ?? expect.fail('no deposit')
    const { organisation, handle } = row
    const context = { organisation, deposit, handle, revision: 1 }
    const { newKey: _, ...form } = await hsm.seal({ requestId: newUuid(), context, content })
    const next: StoredForm = { ...form, sealing: 'hsm', sealedAt: at.clock.now() }
    const exchange = {
      before: formerGrant(at.grants, before),
      next: formerGrant(at.grants, { ...next, uuid: before.uuid }),
      swappable: true,
    }
    await store.withTransaction((t) => t.swapForm(before, next, exchange))
    return before.hsmKeyId ?? expect.fail('no key')
  }
  async function present(deposit: Uuid): Promise<Revision> {
    return (await store.findRevision(deposit, 1)) ?? expect.fail('no revision')
  }
  /** Other bytes in the present rows of these deposits, as a database administrator would write them. */
  async function spoil(deposits: readonly Uuid[]): Promise<() => Promise<void>> {
    const rows = await Promise.all(deposits.map((deposit) => present(deposit)))
    const write = async (row: Revision, stored: Buffer) => {
      const to = { ...row, stored }
      const now = await present(row.deposit)
      const macs = { before: '', next: '', swappable: true }
      expect(await store.withTransaction((t) => t.swapForm(now, to, macs))).toBe(true)
    }
    for (const row of rows) await write(row, Buffer.alloc(60, 1))
    return async () => {
      for (const row of rows) await write(row, row.stored)
    }
  }
  const listed = () => listAll(store)
  const order = { uuid: newUuid(), startedBy: 'admin' }
  const signal = new AbortController().signal
  const drop = (progress: DropProgress) =>
    dropFormer({ trustee, ways: { hsm }, signal }, order, progress)
  const keysLeft = () => [...keyHsm.keys.keys()].filter((id) => former.has(id)).length
  const outcomes = async () =>
    (await at.auditLines()).filter(
      ({ operation, event }) => operation === 'migrate-drop' && event === 'outcome',
    )
  return { at, drop, listed, keysLeft, spoil, outcomes }
}

async function listAll(store: Store): Promise<readonly Uuid[]> {
  const rows = await store.listFormer({ swappable: false, limit: 1000 })
  return rows.map(({ deposit }) => deposit)
}

/** So many tokens for each try, of which each revocation costs one, also when it is refused. */
function limitRate({ keyHsm }: Awaited<ReturnType<typeof moved>>['at']) {
  let tokens = 0
  keyHsm.before = (verb) => {
    if (verb !== 'revoke') return
    if (tokens === 0) throw new DomainError('ERR_BUSY', 'revokes more than that a second')
    tokens -= 1
  }
  return (n: number) => {
    tokens = n
  }
}

describe('dropping former forms', () => {
  test('whose keys Key HSM destroys at a rate below a page: each try goes on where the last stopped', async () => {
    const { at, drop, listed, keysLeft, outcomes } = await moved(20)
    const fill = limitRate(at)
    const progress = new DropProgress()
    for (const left of [13, 6]) {
      fill(7)
      await expect(drop(progress)).rejects.toMatchObject({ code: 'ERR_BUSY' })
      expect([(await listed()).length, keysLeft(), progress.dropped]).toEqual([
        left,
        left,
        20 - left,
      ])
    }
    fill(7)
    expect(await drop(progress)).toBe(true)
    expect([await listed(), keysLeft()]).toEqual([[], 0])
    const revoked = (await outcomes()).filter(({ outcome }) => outcome === 'revoked')
    expect(new Set(revoked.map(({ subject }) => subject?.['hsmKeyId'])).size).toBe(20)
    expect(revoked).toHaveLength(20)
  })

  test('passes over one that is refused, also to the pages after it, and names it at the end', async () => {
    const { at, drop, listed, keysLeft, spoil, outcomes } = await moved(205)
    const [refused = newUuid()] = await listed()
    const repair = await spoil([refused])
    const progress = new DropProgress()
    await expect(drop(progress)).rejects.toMatchObject({
      code: 'ERR_NOT_ALLOWED',
      message: expect.stringMatching(
        new RegExp(String.raw`^revision 1 of h\d+ \(${refused}\) does not open in its new form$`),
      ) as string,
    })
    expect([await listed(), keysLeft()]).toEqual([[refused], 1])
    const asked = at.keyHsm.count('revoke')
    expect(asked).toBe(205)
    const told = (await outcomes()).filter(({ outcome }) => outcome !== 'revoked')
    expect(told).toMatchObject([
      { outcome: 'refused', reason: 'ERR_NOT_ALLOWED', subject: { deposit: refused, revision: 1 } },
    ])
    await expect(drop(progress)).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
    expect(at.keyHsm.count('revoke')).toBe(asked + 1)
    await repair()
    expect(await drop(progress)).toBe(true)
    expect([await listed(), keysLeft()]).toEqual([[], 0])
  })

  test('reaches all others also where those that are refused use up the rate', async () => {
    const { at, drop, listed, keysLeft, spoil } = await moved(12)
    const refused = (await listed()).slice(0, 4)
    await spoil(refused)
    const fill = limitRate(at)
    const progress = new DropProgress()
    const codes: string[] = []
    while (codes.at(-1) !== 'ERR_NOT_ALLOWED' && codes.length < 20) {
      fill(1)
      codes.push(await drop(progress).then(String, (error: DomainError) => error.code))
    }
    expect(codes).toEqual([...Array<string>(11).fill('ERR_BUSY'), 'ERR_NOT_ALLOWED'])
    expect([await listed(), keysLeft()]).toEqual([refused, 4])
  })

  test('waits after a page of which all is refused, before it asks about the next', async () => {
    const { at, drop, listed, spoil } = await moved(202)
    const all = await listed()
    await spoil(all.slice(0, 200))
    const progress = new DropProgress()
    await expect(drop(progress)).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
    expect([at.keyHsm.count('revoke'), (await listed()).length]).toEqual([200, 202])
    await expect(drop(progress)).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
    expect(await listed()).toEqual(all.slice(0, 200))
  })
})
