import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { newUuid } from '@keyhsm/core'
import { parseSealed } from '@keyhsm/envelope'
import { type RetrievalStatement, signRetrieval } from '@keyhsm/protocol'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { type Approval, UsedRequests } from '../../src/operations/check-approval.js'
import { openDeposit } from '../../src/operations/open-deposit.js'
import { sealDeposit } from '../../src/operations/seal-deposit.js'
import { toApproval, toTrustees } from '../../src/service/approval.js'
import { caller, makeWorkshop, newContext, sealRequest, type TestWorkshop } from '../workshop.js'

vi.setConfig({ testTimeout: 30_000 })

interface Key {
  readonly raw: Buffer
  readonly privateKey: KeyObject
}

function newKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    privateKey,
    raw: Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url'),
  }
}

const now = new Date('2026-11-22T10:00:00Z')
const asker = newKey()
const trustees = [newKey(), newKey(), newKey()].sort((a, b) => Buffer.compare(a.raw, b.raw))
const [one, two, three] = trustees as [Key, Key, Key]

describe('a deposit with 2 of 3 trustees', () => {
  let workshop: TestWorkshop
  let sealed: Buffer
  const context = newContext()

  beforeEach(async () => {
    workshop = await makeWorkshop({ clock: { now: () => now } })
    const keys = trustees.map(({ raw }) => raw)
    const request = sealRequest(workshop, 'a secret', { context, trustees: { required: 2, keys } })
    sealed = (await sealDeposit(workshop, caller, request)).sealed
  })

  function approve(
    by: readonly Key[],
    some: Partial<RetrievalStatement> = {},
    asking: Key = asker,
  ): Approval {
    const { organisation, deposit, revision } = context
    const statement: RetrievalStatement = {
      organisation,
      deposit,
      revision,
      client: newUuid(),
      clientKey: asking.raw,
      request: newUuid(),
      expiresAt: new Date(now.getTime() + 60_000),
      ...some,
    }
    const { request, client, clientKey, expiresAt } = statement
    return {
      request,
      client,
      clientKey,
      expiresAt,
      clientSignature: signRetrieval(statement, 'request', asking.privateKey),
      approvals: by.map(({ raw, privateKey }) => ({
        key: raw,
        signature: signRetrieval(statement, 'approval', privateKey),
      })),
    }
  }

  const open = (approval?: Approval, at = context, bytes = sealed) =>
    openDeposit(workshop, caller, {
      requestId: newUuid(),
      context: at,
      sealed: Buffer.from(bytes),
      canary: workshop.partition.keys.canaryFingerprint,
      ...(approval ? { approval } : {}),
    })

  it('has them in its header', () => {
    const { header } = parseSealed(sealed)
    expect(header.trustees).toEqual({ required: 2, keys: trustees.map(({ raw }) => raw) })
  })

  it('opens with two of them, and with three', async () => {
    expect((await open(approve([one, three]))).toString()).toBe('a secret')
    expect((await open(approve([one, two, three]))).toString()).toBe('a secret')
    const entries = await workshop.entries()
    expect(entries.filter((entry) => entry.startsWith('outcome open released'))).toHaveLength(2)
  })

  const unwrapped = async (work: () => Promise<unknown>) => {
    const spy = vi.spyOn(workshop.partition.hsm, 'unwrapKey')
    await expect(work()).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
    const { length } = spy.mock.calls
    spy.mockRestore()
    return length
  }
  const later = (ms: number) => new Date(now.getTime() + ms)

  it.each([
    ['without an approval', () => undefined],
    ['with one', () => approve([one])],
    ['with one twice', () => approve([one, one])],
    ['with one and a stranger', () => approve([one, newKey()])],
    ['with one and the client itself', () => approve([one, two], {}, two)],
    ['when it is expired', () => approve([one, two], { expiresAt: now })],
    ['when it lasts too long', () => approve([one, two], { expiresAt: later(32 * 86400_000) })],
    ['for another deposit', () => approve([one, two], { deposit: newUuid() })],
    ['for another revision', () => approve([one, two], { revision: 2 })],
    ['for another organisation', () => approve([one, two], { organisation: newUuid() })],
    ['for another request', () => ({ ...approve([one, two]), request: newUuid() })],
    ['for another client', () => ({ ...approve([one, two]), client: newUuid() })],
    [
      'with a longer time than signed',
      () => ({ ...approve([one, two]), expiresAt: later(70_000) }),
    ],
    [
      'unsigned by the client',
      () => ({ ...approve([one, two]), clientSignature: randomBytes(64) }),
    ],
    [
      'with requests in place of approvals',
      () => {
        const given = approve([one, two])
        const approvals = given.approvals.map((each) => ({
          ...each,
          signature: given.clientSignature,
        }))
        return { ...given, approvals }
      },
    ],
  ])('stays closed %s, and the HSM is not asked', async (_, make) => {
    expect(await unwrapped(() => open(make()))).toBe(0)
  })

  it('opens once a request', async () => {
    const approval = approve([one, two])
    await open(approval)
    expect(await unwrapped(() => open(approval))).toBe(0)
  })

  it('gives an approval back when nothing was released', async () => {
    const approval = approve([one, two])
    const spy = vi
      .spyOn(workshop.partition.hsm, 'unwrapKey')
      .mockRejectedValueOnce(new Error('a fault'))
    await expect(open(approval)).rejects.toThrow()
    spy.mockRestore()
    expect((await open(approval)).toString()).toBe('a secret')
  })

  it('does not open when its trustees are taken out of the header or exchanged', async () => {
    const key = sealed.indexOf(one.raw)
    const without = Buffer.concat([
      sealed.subarray(0, key - 2),
      Buffer.from([0, 0]),
      sealed.subarray(key + 96),
    ])
    await expect(open(undefined, context, without)).rejects.toMatchObject({
      code: 'ERR_IRRETRIEVABLE',
    })
    const fewer = Buffer.from(sealed)
    fewer[key - 2] = 1
    await expect(open(approve([one]), context, fewer)).rejects.toMatchObject({
      code: 'ERR_IRRETRIEVABLE',
    })
  })
})

describe('the memory of used requests', () => {
  it('forgets what is expired only', () => {
    let instant = now
    const used = new UsedRequests({ now: () => instant })
    const expiresAt = new Date(now.getTime() + 1000)
    const giveBack = used.take({ request: 'a', expiresAt })
    expect(() => used.take({ request: 'a', expiresAt })).toThrow('were used')
    giveBack()
    used.take({ request: 'a', expiresAt })
    instant = new Date(now.getTime() + 5000)
    for (let count = 0; count < 100_001; count += 1)
      used.take({ request: `b${count}`, expiresAt: new Date(now.getTime() + 2000) })
    expect(() => used.take({ request: 'b100000', expiresAt })).toThrow('were used')
  })
})

describe('on the wire', () => {
  const b64 = (bytes: Buffer) => bytes.toString('base64')

  it('trustees are brought into order; doubles and too many votes are refused', () => {
    const keys = [three, one, two].map(({ raw }) => b64(raw))
    expect(toTrustees({ required: 1, keys }).keys).toEqual(trustees.map(({ raw }) => raw))
    for (const bad of [
      { required: 1, keys: [keys[0] ?? '', keys[0] ?? ''] },
      { required: 4, keys },
      { required: 1, keys: [b64(randomBytes(31))] },
    ])
      expect(() => toTrustees(bad)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_INPUT' }))
  })

  it('an approval is decoded field by field', () => {
    const raw = {
      request: newUuid(),
      client: newUuid(),
      clientKey: b64(one.raw),
      clientSignature: b64(randomBytes(64)),
      expiresAt: now.toISOString(),
      approvals: [{ key: b64(two.raw), signature: b64(randomBytes(64)) }],
    }
    expect(toApproval(raw)).toMatchObject({
      request: raw.request,
      clientKey: one.raw,
      expiresAt: now,
    })
    const short = { ...raw, clientKey: b64(randomBytes(33)) }
    expect(() => toApproval(short)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_INPUT' }))
  })
})
