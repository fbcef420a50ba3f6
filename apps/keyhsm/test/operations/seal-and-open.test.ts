import { newUuid, parseRealm } from '@keyhsm/core'
import { parseSealed } from '@keyhsm/envelope'
import type { WrappingKind } from '@keyhsm/hsm'
import { describe, expect, it, vi } from 'vitest'
import { parseLabel } from '../../src/keys/labels.js'
import { openDeposit } from '../../src/operations/open-deposit.js'
import { type SealRequest, sealDeposit } from '../../src/operations/seal-deposit.js'
import { scopes } from '../../src/settings.js'
import { makePartitions } from '../soft-token.js'
import {
  caller,
  makeWorkshop,
  newContext,
  sealRequest,
  withPartition,
  withVerbs,
} from '../workshop.js'
import type { Partition } from '../../src/partition/partition.js'

vi.setConfig({ testTimeout: 30_000 })

const kinds: WrappingKind[] = ['ec-p256', 'rsa-2048', 'aes-256']

function openRequest(request: SealRequest, sealed: Buffer) {
  const { context, canary } = request
  return { requestId: newUuid(), context, canary, sealed: Buffer.from(sealed) }
}

describe('sealing and opening', () => {
  it.each(scopes.flatMap((scope) => kinds.map((kind) => ({ scope, kind }))))(
    'gives back the content: scope $scope, kind $kind',
    async ({ scope, kind }) => {
      const workshop = await makeWorkshop({ settings: { kind }, seal: { scope } })
      const request = sealRequest(workshop, 'a secret')
      const sealed = await sealDeposit(workshop, caller, request)
      expect(sealed).toMatchObject({ scope, kind, newKey: scope === 'deposit' })
      expect(parseSealed(sealed.sealed).header).toMatchObject({
        scope,
        kind,
        realm: 'prod',
        domain: workshop.partition.keys.domain,
        hsmKeyId: sealed.hsmKeyId,
      })
      const opened = await openDeposit(workshop, caller, openRequest(request, sealed.sealed))
      expect(opened.toString()).toBe('a secret')
    },
  )

  it('wipes the content it was given', async () => {
    const workshop = await makeWorkshop()
    const request = sealRequest(workshop, 'a secret')
    await sealDeposit(workshop, caller, request)
    expect(request.content.equals(Buffer.alloc(8))).toBe(true)
  })

  it('makes a key of its own for each deposit, named after its handle', async () => {
    const workshop = await makeWorkshop()
    const labels = []
    for (let count = 0; count < 3; count += 1) {
      const context = newContext('backup.key')
      labels.push(
        (await sealDeposit(workshop, caller, sealRequest(workshop, 'x', { context }))).hsmKeyLabel,
      )
    }
    expect(new Set(labels).size).toBe(3)
    expect(parseLabel(labels[0] ?? '')).toMatchObject({ form: 'single', name: 'backup.key' })
    expect((await workshop.partition.hsm.listKeys()).length).toBe(3 + 3)
  })

  it('takes the scope of the request before the one that is set', async () => {
    const workshop = await makeWorkshop()
    const seal = () =>
      sealDeposit(workshop, caller, sealRequest(workshop, 'x', { scope: 'service' }))
    const [one, two] = [await seal(), await seal()]
    expect(one.hsmKeyId).toBe(two.hsmKeyId)
    expect([one.newKey, two.newKey]).toEqual([false, false])
  })

  it('takes the kind of the request before the one that is set, without disturbing that one', async () => {
    const workshop = await makeWorkshop()
    const seal = (scope: SealRequest['scope'] & string, kind?: WrappingKind) => {
      const more = kind === undefined ? { scope } : { scope, kind }
      return sealDeposit(workshop, caller, sealRequest(workshop, 'x', more))
    }
    for (const scope of scopes) {
      const before = await seal(scope)
      expect([before.kind, (await seal(scope, 'aes-256')).kind]).toEqual(['ec-p256', 'aes-256'])
      const after = await seal(scope)
      if (scope !== 'deposit') expect(after.hsmKeyId).toBe(before.hsmKeyId)
    }
  })

  it('refuses a kind that the HSM cannot make, before it makes anything', async () => {
    const workshop = await makeWorkshop()
    const { hsm } = workshop.partition
    const capabilities = { ...hsm.capabilities, kinds: ['ec-p256'] as const }
    const request = sealRequest(workshop, 'x', { kind: 'rsa-2048' })
    await expect(
      sealDeposit(withVerbs(workshop, { capabilities }), caller, request),
    ).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT', faults: [{ field: 'kind' }] })
    expect(await hsm.listKeys()).toHaveLength(3)
  })

  it('opens on any Key HSM of the partition, whatever its settings are', async () => {
    const [one, two] = (await makePartitions(2)) as [Partition, Partition]
    const workshop = await makeWorkshop()
    const [first, second] = [withPartition(workshop, one), withPartition(workshop, two)]
    await two.changeKeySettings({ kind: 'aes-256', limit: undefined, maxAgeMs: 86400e3 })
    for (const scope of scopes) {
      const request = sealRequest(first, scope, { scope })
      const { sealed } = await sealDeposit(first, caller, request)
      const opened = await openDeposit(second, caller, openRequest(request, sealed))
      expect(opened.toString()).toBe(scope)
    }
  })

  it('writes an intent before and an outcome after', async () => {
    const workshop = await makeWorkshop()
    const request = sealRequest(workshop, 'x')
    const { sealed } = await sealDeposit(workshop, caller, request)
    await openDeposit(workshop, caller, openRequest(request, sealed))
    expect(await workshop.entries()).toEqual([
      'intent seal',
      'outcome seal done',
      'intent open',
      'outcome open released',
    ])
  })
})

describe('opening refuses', () => {
  async function sealOne(scope: 'deposit' | 'organisation' | 'service' = 'deposit') {
    const workshop = await makeWorkshop()
    const request = sealRequest(workshop, 'a secret', { scope })
    const { sealed } = await sealDeposit(workshop, caller, request)
    return { workshop, request: openRequest(request, sealed) }
  }
  const lost = { code: 'ERR_IRRETRIEVABLE', message: 'the deposit is irretrievable' }

  it('every flipped bit, with one answer, and the audit says integrity', {
    timeout: 60_000,
  }, async () => {
    const { workshop, request } = await sealOne('organisation')
    let flips = 0
    for (let index = 0; index < request.sealed.length; index += 1) {
      const sealed = Buffer.from(request.sealed)
      sealed[index] = (sealed[index] ?? 0) ^ (1 << (index % 8))
      await expect(openDeposit(workshop, caller, { ...request, sealed })).rejects.toMatchObject(
        lost,
      )
      flips += 1
    }
    const outcomes = (await workshop.entries()).filter((entry) => entry.startsWith('outcome open'))
    expect(outcomes.length).toBe(flips)
    expect(outcomes.every((entry) => entry.startsWith('outcome open integrity '))).toBe(true)
  })

  it.each(['organisation', 'deposit', 'handle', 'revision'] as const)(
    'a deposit read from another %s',
    async (field) => {
      const { workshop, request } = await sealOne()
      const other = { organisation: newUuid(), deposit: newUuid(), handle: 'other', revision: 2 }
      const context = { ...request.context, [field]: other[field] }
      const opening = openDeposit(workshop, caller, { ...request, context })
      await expect(opening).rejects.toMatchObject(lost)
      expect((await workshop.entries()).at(-1)).toMatch(/^outcome open integrity /)
    },
  )

  it('a deposit of another realm, without asking the HSM', async () => {
    const { workshop, request } = await sealOne('service')
    const other = { ...caller, realm: parseRealm('test') }
    await expect(openDeposit(workshop, other, request)).rejects.toMatchObject(lost)
    expect((await workshop.entries()).at(-1)).toBe(
      'outcome open integrity sealed for another realm',
    )
  })

  it('a deposit of another partition, and the audit says so', async () => {
    const { request } = await sealOne()
    const workshop = await makeWorkshop()
    const canary = workshop.partition.keys.canaryFingerprint
    const opening = openDeposit(workshop, caller, { ...request, canary })
    await expect(opening).rejects.toMatchObject(lost)
    expect((await workshop.entries()).at(-1)).toBe(
      'outcome open integrity sealed in another HSM key domain',
    )
  })

  it('a deposit whose key is gone, and only that one', async () => {
    const workshop = await makeWorkshop()
    const [one, two] = [sealRequest(workshop, 'one'), sealRequest(workshop, 'two')]
    const first = await sealDeposit(workshop, caller, one)
    const second = await sealDeposit(workshop, caller, two)
    await workshop.partition.hsm.destroyKey(first.hsmKeyId)
    await expect(
      openDeposit(workshop, caller, openRequest(one, first.sealed)),
    ).rejects.toMatchObject(lost)
    expect((await workshop.entries()).at(-1)).toBe(
      'outcome open irretrievable the HSM key is missing or was revoked',
    )
    const opened = await openDeposit(workshop, caller, openRequest(two, second.sealed))
    expect(opened.toString()).toBe('two')
  })
})
