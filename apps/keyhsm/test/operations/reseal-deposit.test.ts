import { randomBytes } from 'node:crypto'
import { DomainError, newUuid, parseRealm, SecretBytes } from '@keyhsm/core'
import { parseSealed } from '@keyhsm/envelope'
import { describe, expect, it, vi } from 'vitest'
import { openDeposit } from '../../src/operations/open-deposit.js'
import { resealDeposit, type ResealTarget } from '../../src/operations/reseal-deposit.js'
import { sealDeposit, type SealRequest } from '../../src/operations/seal-deposit.js'
import type { PlacedWorkshop, Workshop } from '../../src/operations/caller.js'
import { caller, makeWorkshop, sealRequest, withVerbs } from '../workshop.js'

vi.setConfig({ testTimeout: 30_000 })

async function sealOne(workshop: PlacedWorkshop, more: Partial<SealRequest> = {}) {
  const request = sealRequest(workshop, 'a secret', more)
  return { request, ...(await sealDeposit(workshop, caller, request)) }
}

function reseal(
  workshop: Workshop,
  from: { readonly request: SealRequest; readonly sealed: Buffer },
  target: Partial<ResealTarget> = {},
  who = caller,
) {
  const { context, canary } = from.request
  const wanted = { canary, otherKey: false, ...target }
  return resealDeposit(workshop, who, {
    requestId: newUuid(),
    context,
    sealed: Buffer.from(from.sealed),
    canary,
    target: wanted,
  })
}

function open(workshop: Workshop, { context, canary }: SealRequest, sealed: Buffer) {
  const request = { requestId: newUuid(), context, canary, sealed: Buffer.from(sealed) }
  return openDeposit(workshop, caller, request)
}

describe('resealing', () => {
  it('gives the same content under another key, scope and kind; the old form stays as good', async () => {
    const workshop = await makeWorkshop()
    const old = await sealOne(workshop)
    const shared = await reseal(workshop, old, { scope: 'service', kind: 'aes-256' })
    expect(shared).toMatchObject({ scope: 'service', kind: 'aes-256', newKey: false })
    const own = await reseal(workshop, { ...old, sealed: shared.sealed }, { scope: 'deposit' })
    expect(own).toMatchObject({ scope: 'deposit', kind: 'ec-p256', newKey: true })
    expect(own.hsmKeyId).not.toBe(old.hsmKeyId)
    for (const sealed of [old.sealed, shared.sealed, own.sealed])
      expect((await open(workshop, old.request, sealed)).toString()).toBe('a secret')
    const entries = (await workshop.entries()).filter((entry) => entry.includes('reseal'))
    const pair = ['intent reseal', 'outcome reseal done']
    expect(entries).toEqual([...pair, ...pair])
  })

  it('keeps the trustees, and opens for none of them by itself', async () => {
    const workshop = await makeWorkshop()
    const trustees = { required: 2, keys: [randomBytes(32), randomBytes(32)].sort(Buffer.compare) }
    const old = await sealOne(workshop, { trustees })
    const next = await reseal(workshop, old, { scope: 'service' })
    expect(parseSealed(next.sealed).header.trustees).toEqual(trustees)
    await expect(open(workshop, old.request, next.sealed)).rejects.toMatchObject({
      code: 'ERR_NOT_ALLOWED',
    })
  })

  it('replaces a shared key once for all that are under it', async () => {
    const workshop = await makeWorkshop({ seal: { scope: 'service' } })
    const [one, two] = [await sealOne(workshop), await sealOne(workshop)]
    const same = await reseal(workshop, one)
    expect(same.hsmKeyId).toBe(one.hsmKeyId)
    const moved = await Promise.all(
      [one, two].map((old) => reseal(workshop, old, { otherKey: true })),
    )
    expect(new Set(moved.map(({ hsmKeyId }) => hsmKeyId)).size).toBe(1)
    expect(moved[0]?.hsmKeyId).not.toBe(one.hsmKeyId)
    expect((await sealOne(workshop)).hsmKeyId).toBe(moved[0]?.hsmKeyId)
  })

  it('leaves no key behind when the new form does not open', async () => {
    const workshop = await makeWorkshop()
    const old = await sealOne(workshop)
    const { hsm } = workshop.partition
    const before = (await hsm.listKeys()).length
    const broken = withVerbs(workshop, {
      async unwrapKey(id, ...rest) {
        if (id !== old.hsmKeyId) throw new DomainError('ERR_INTEGRITY', 'does not unwrap')
        return hsm.unwrapKey(id, ...rest)
      },
    })
    await expect(reseal(broken, old)).rejects.toMatchObject({ code: 'ERR_HSM_REFUSED' })
    expect(await hsm.listKeys()).toHaveLength(before)
  })

  it('is irretrievable for a revoked key, another realm, a moved row; nothing is made then', async () => {
    const workshop = await makeWorkshop()
    const old = await sealOne(workshop)
    const { hsm } = workshop.partition
    const before = (await hsm.listKeys()).length
    const elsewhere = { ...caller, realm: parseRealm('other') }
    const moved = {
      ...old,
      request: { ...old.request, context: sealRequest(workshop, 'x').context },
    }
    const refused = { code: 'ERR_IRRETRIEVABLE' }
    await expect(reseal(workshop, old, {}, elsewhere)).rejects.toMatchObject(refused)
    await expect(reseal(workshop, moved)).rejects.toMatchObject(refused)
    expect(await hsm.listKeys()).toHaveLength(before)
    await hsm.destroyKey(old.hsmKeyId)
    await expect(reseal(workshop, old)).rejects.toMatchObject(refused)
  })

  it('refuses a canary that is not shown, and a kind that cannot be made', async () => {
    const workshop = await makeWorkshop()
    const old = await sealOne(workshop)
    const canary = 'ab'.repeat(32) as never
    await expect(reseal(workshop, old, { canary })).rejects.toMatchObject({
      code: 'ERR_WRONG_PARTITION',
    })
    const { hsm } = workshop.partition
    const capabilities = { ...hsm.capabilities, kinds: ['ec-p256'] as const }
    await expect(
      reseal(withVerbs(workshop, { capabilities }), old, { kind: 'rsa-2048' }),
    ).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
  })
})

describe('a device that lost its authentication key', () => {
  it('seals and reseals nothing, until it has the same one again; what is sealed opens', async () => {
    const workshop = await makeWorkshop()
    const { partition } = workshop
    const { hsm, keys } = partition
    const old = await sealOne(workshop)
    const { id, label, kind, use } = keys.auth
    await hsm.destroyKey(id)
    await expect(partition.recheck()).rejects.toThrow(/does not show the authentication key/)
    const refused = { code: 'ERR_HSM_UNAVAILABLE', retryAfterMs: 5000 }
    const before = (await hsm.listKeys()).length
    await expect(sealOne(workshop)).rejects.toMatchObject(refused)
    await expect(reseal(workshop, old, { scope: 'service' })).rejects.toMatchObject(refused)
    expect((await hsm.listKeys()).length).toBe(before)
    expect((await open(workshop, old.request, old.sealed)).toString()).toBe('a secret')
    expect(await partition.health(1000)).toMatchObject({
      state: 'unavailable',
      detail: expect.stringMatching(/authentication key/),
    })
    // Another secret under its name gives another K_auth.
    await hsm.createKey({ id, label, kind, use })
    await expect(partition.recheck()).rejects.toMatchObject(refused)
    await expect(sealOne(workshop)).rejects.toMatchObject(refused)
    vi.spyOn(hsm, 'authenticate').mockImplementation(() =>
      Promise.resolve(keys.kAuth.expose((bytes) => SecretBytes.own(Buffer.from(bytes)))),
    )
    await partition.recheck()
    expect((await partition.health(1000)).state).toBe('ready')
    await sealOne(workshop)
  })
})
