import { parseRealm, parseUuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { KeyRing } from '../../src/keys/key-ring.js'
import { findPurpose } from '../../src/keys/purpose.js'
import { parseLabel } from '../../src/keys/labels.js'
import type { SharedOwner } from '../../src/keys/shared-keys.js'
import { makePartition, makePartitions } from '../soft-token.js'
import type { Partition } from '../../src/partition/partition.js'

const realm = parseRealm('prod')
const organisation = parseUuid('0f8fad5b-d9cb-469f-a165-70867728950e')
const service: SharedOwner = { purpose: 'service', realm }
const ofOrganisation: SharedOwner = { purpose: 'organisation', realm, organisation }
const dayMs = 86400e3

function stoppedClock() {
  let now = new Date('2026-01-01T12:00:00Z')
  return { now: () => now, pass: (ms: number) => (now = new Date(now.getTime() + ms)) }
}

describe('shared HSM keys', () => {
  it('are made once, however many ask at once', async () => {
    const { ring, hsm } = await makePartition()
    const taken = await Promise.all(Array.from({ length: 20 }, () => ring.take(service)))
    expect(new Set(taken.map((key) => key.id)).size).toBe(1)
    expect((await hsm.listKeys()).length).toBe(4)
    expect(parseLabel(taken[0]?.label ?? '')).toMatchObject({ form: 'service', generation: 0 })
  })

  it('differ by realm and by organisation, and prove it by their ids', async () => {
    const { ring, keys } = await makePartition()
    const other = parseRealm('test')
    const taken = [
      await ring.take(service),
      await ring.take({ purpose: 'service', realm: other }),
      await ring.take(ofOrganisation),
      await ring.take({ ...ofOrganisation, realm: other }),
    ]
    expect(new Set(taken.map((key) => key.id)).size).toBe(4)
    const seenBy = (who: typeof realm) => taken.map((key) => findPurpose(keys.keyIds, who, key))
    expect(seenBy(realm)).toEqual(['service', undefined, 'organisation', undefined])
    expect(seenBy(other)).toEqual([undefined, 'service', undefined, 'organisation'])
  })

  it('are found again at start, whoever made them; two of one generation give the lowest id', async () => {
    const [one, two, third] = (await makePartitions(3)) as [Partition, Partition, Partition]
    const ids = [(await one.ring.take(service)).id, (await two.ring.take(service)).id].sort()
    expect(ids[0]).not.toBe(ids[1])
    for (const partition of [one, two, third]) {
      await partition.recheck()
      expect((await partition.ring.take(service)).id).toBe(ids[0])
    }
  })

  it('are followed by the next generation after their age, on every node', async () => {
    const clock = stoppedClock()
    const options = { clock, settings: { maxAgeMs: 30 * dayMs } }
    const [one, two] = (await makePartitions(2, options)) as [Partition, Partition]
    const first = await one.ring.take(ofOrganisation)
    await two.recheck()
    clock.pass(30 * dayMs)
    const second = await one.ring.take(ofOrganisation)
    expect(second.id).not.toBe(first.id)
    expect(parseLabel(second.label)).toMatchObject({ generation: 1, createdOn: '2026-01-31' })
    await two.recheck()
    expect((await two.ring.take(ofOrganisation)).id).toBe(second.id)
  })

  it('are followed by the next generation after as many wraps as one key may do', async () => {
    const { hsm, keys, capacity } = await makePartition()
    const clock = stoppedClock()
    const ring = new KeyRing({
      hsm,
      keyIds: keys.keyIds,
      capacity,
      clock,
      kind: 'aes-256',
      maxAgeMs: dayMs,
      maxUses: 3,
    })
    const ids = []
    for (let count = 0; count < 7; count += 1) ids.push((await ring.take(service)).id)
    expect(new Set(ids).size).toBe(3)
    expect([ids[0], ids[3], ids[6]]).toEqual([ids[2], ids[5], ids[6]])
  })

  it('follow the kind that is set, and leave keys of other kinds alone', async () => {
    const partition = await makePartition()
    const ec = await partition.ring.take(service)
    await partition.changeKeySettings({ kind: 'aes-256', limit: undefined, maxAgeMs: dayMs * 365 })
    const aes = await partition.ring.take(service)
    expect([ec.kind, aes.kind]).toEqual(['ec-p256', 'aes-256'])
    expect(parseLabel(aes.label)).toMatchObject({ generation: 1 })
    await partition.changeKeySettings({ kind: 'ec-p256', limit: undefined, maxAgeMs: dayMs * 365 })
    expect((await partition.ring.take(service)).id).toBe(ec.id)
  })

  it('that were removed are replaced after they were forgotten, or at the next recheck', async () => {
    const partition = await makePartition()
    const first = await partition.ring.take(service)
    await partition.hsm.destroyKey(first.id)
    partition.ring.forget(first.id)
    const second = await partition.ring.take(service)
    await partition.hsm.destroyKey(second.id)
    await partition.recheck()
    const third = await partition.ring.take(service)
    expect(new Set([first.id, second.id, third.id]).size).toBe(3)
  })

  it('made while the partition is listed are not taken for removed ones', async () => {
    const { ring, hsm } = await makePartition()
    const listing = ring.beginListing()
    const listed = await hsm.listKeys()
    const made = await ring.take(service)
    ring.refresh(listed, listing)
    expect((await ring.take(service)).id).toBe(made.id)
  })

  it('are not made in a full partition, but those that are there still serve', async () => {
    const partition = await makePartition()
    const key = await partition.ring.take(service)
    await partition.changeKeySettings({ kind: 'ec-p256', limit: 4, maxAgeMs: 365 * dayMs })
    expect(partition.capacity.state()).toMatchObject({ keys: 4, level: 'full' })
    expect((await partition.ring.take(service)).id).toBe(key.id)
    await expect(partition.ring.take(ofOrganisation)).rejects.toMatchObject({
      code: 'ERR_HSM_FULL',
    })
  })
})
