import { DomainError, newUuid, parseHandle, parseRealm } from '@keyhsm/core'
import type { SealContext } from '@keyhsm/envelope'
import { describe, expect, it, vi } from 'vitest'
import { openDeposit } from '../../src/operations/open-deposit.js'
import type { KeyProof, RevokeReason } from '../../src/operations/require-proof.js'
import { revokeKey } from '../../src/operations/revoke-key.js'
import { sealDeposit, type Sealed, type SealRequest } from '../../src/operations/seal-deposit.js'
import { caller, makeWorkshop, newContext, sealRequest, withVerbs } from '../workshop.js'
import type { TestWorkshop } from '../workshop.js'

type Stored = Sealed & { readonly context: SealContext }

async function seal(workshop: TestWorkshop, more: Partial<SealRequest> = {}): Promise<Stored> {
  const request = sealRequest(workshop, 'content', more)
  return { ...(await sealDeposit(workshop, caller, request)), context: request.context }
}

function proofOf(workshop: TestWorkshop, shown: Stored, more: Partial<KeyProof> = {}): KeyProof {
  const canary = workshop.partition.keys.canaryFingerprint
  return { context: shown.context, sealed: shown.sealed, canary, ...more }
}

function revoke(workshop: TestWorkshop, key: Sealed, reason: RevokeReason, proof?: KeyProof) {
  const canary = workshop.partition.keys.canaryFingerprint
  const order = { requestId: newUuid(), hsmKeyId: key.hsmKeyId, canary, reason }
  return revokeKey(workshop, caller, { ...order, ...(proof ? { proof } : {}) })
}

function open(workshop: TestWorkshop, { context, sealed }: Stored): Promise<Buffer> {
  const canary = workshop.partition.keys.canaryFingerprint
  return openDeposit(workshop, caller, { requestId: newUuid(), context, sealed, canary })
}

const refused = { code: 'ERR_NOT_ALLOWED' }
const lastEntry = async (workshop: TestWorkshop) => (await workshop.entries()).at(-1)

describe('a purge', () => {
  it('destroys the key of the deposit that is shown, and says which deposit it was', async () => {
    const workshop = await makeWorkshop()
    const [a, b] = [await seal(workshop), await seal(workshop)]
    expect(await revoke(workshop, a, 'purge', proofOf(workshop, a))).toBe('destroyed')
    await expect(open(workshop, a)).rejects.toMatchObject({ code: 'ERR_IRRETRIEVABLE' })
    expect((await open(workshop, b)).toString()).toBe('content')
  })

  it('asks no trustee: nothing is released', async () => {
    const workshop = await makeWorkshop()
    const trustees = { required: 1, keys: [Buffer.alloc(32, 7)] }
    const a = await seal(workshop, { trustees })
    await expect(open(workshop, a)).rejects.toMatchObject(refused)
    expect(await revoke(workshop, a, 'purge', proofOf(workshop, a))).toBe('destroyed')
  })

  it('destroys nothing for what is not shown to be this deposit’s own', async () => {
    const workshop = await makeWorkshop()
    const [a, b] = [await seal(workshop), await seal(workshop)]
    const shared = await seal(workshop, { scope: 'service' })
    const forged = Buffer.from(a.sealed)
    const at = forged.indexOf(Buffer.from(a.hsmKeyId, 'hex'))
    Buffer.from(b.hsmKeyId, 'hex').copy(forged, at)
    const shown = (stored: Stored, more?: Partial<KeyProof>) => proofOf(workshop, stored, more)
    const proofs: Readonly<Record<string, KeyProof | undefined>> = {
      nothing: undefined,
      'B’s bytes in A’s row': shown(b, { context: a.context }),
      'A as it is': shown(a),
      'A with the id of B’s key written in': shown(a, { sealed: forged }),
      'another revision': shown(b, { context: { ...b.context, revision: 2 } }),
      'another name': shown(b, { context: { ...b.context, handle: parseHandle('other') } }),
      'another organisation': shown(b, { context: { ...b.context, organisation: newUuid() } }),
      'cut bytes': shown(b, { sealed: b.sealed.subarray(0, 60) }),
      'no bytes': shown(b, { sealed: Buffer.alloc(0) }),
      'a deposit under a shared key': shown(shared),
    }
    for (const [name, proof] of Object.entries(proofs)) {
      await expect(revoke(workshop, b, 'purge', proof), name).rejects.toMatchObject(refused)
      expect((await open(workshop, b)).toString(), name).toBe('content')
    }
    expect((await open(workshop, a)).toString()).toBe('content')
  })

  it('is refused with a reason in the audit', async () => {
    const workshop = await makeWorkshop()
    const [a, b] = [await seal(workshop), await seal(workshop)]
    const exchanged = proofOf(workshop, b, { context: a.context })
    await expect(revoke(workshop, b, 'purge', exchanged)).rejects.toMatchObject(refused)
    expect(await lastEntry(workshop)).toMatch(/^outcome revoke refused the deposit shown: /)
    await expect(revoke(workshop, b, 'purge', proofOf(workshop, a))).rejects.toMatchObject(refused)
    expect(await lastEntry(workshop)).toBe(
      'outcome revoke refused the deposit shown has another HSM key',
    )
  })

  it('of another realm’s deposit shows nothing', async () => {
    const workshop = await makeWorkshop()
    const a = await seal(workshop)
    const other = { ...caller, realm: parseRealm('test') }
    const request = sealRequest(workshop, 'x', { context: newContext() })
    const theirs = await sealDeposit(workshop, other, request)
    const proof = proofOf(workshop, { ...theirs, context: request.context })
    await expect(revoke(workshop, a, 'purge', proof)).rejects.toMatchObject(refused)
  })

  it('repeated says that the key is gone, and destroys nothing meanwhile', async () => {
    const workshop = await makeWorkshop()
    const [a, b] = [await seal(workshop), await seal(workshop)]
    const proof = proofOf(workshop, a)
    expect(await revoke(workshop, a, 'purge', proof)).toBe('destroyed')
    expect(await revoke(workshop, a, 'purge', proof)).toBe('already-gone')
    expect(await lastEntry(workshop)).toBe('outcome revoke revoked the key was gone already')
    // A's key is gone: that shows nothing about B's.
    await expect(revoke(workshop, b, 'purge', proof)).rejects.toMatchObject(refused)
    expect((await open(workshop, b)).toString()).toBe('content')
  })

  it('destroys nothing while the device cannot be asked, or finds half a pair', async () => {
    const workshop = await makeWorkshop()
    const a = await seal(workshop)
    const proof = proofOf(workshop, a)
    const unwrap = (code: 'ERR_NOT_FOUND' | 'ERR_HSM_REFUSED' | 'ERR_HSM_UNAVAILABLE') => {
      return { unwrapKey: () => Promise.reject(new DomainError(code, 'no')) }
    }
    const destroyKey = () => Promise.reject(new Error('destroyed'))
    const under = (code: Parameters<typeof unwrap>[0]) =>
      revoke(withVerbs(workshop, { destroyKey, ...unwrap(code) }), a, 'purge', proof)
    for (const code of ['ERR_HSM_UNAVAILABLE', 'ERR_HSM_REFUSED'] as const)
      await expect(under(code), code).rejects.toMatchObject({ code })
    // A key that is not seen is only gone where the canary is.
    expect(await under('ERR_NOT_FOUND')).toBe('already-gone')
    const unseen = new DomainError('ERR_HSM_UNAVAILABLE', 'no canary')
    vi.spyOn(workshop.partition, 'confirmVisible').mockRejectedValue(unseen)
    await expect(under('ERR_NOT_FOUND')).rejects.toBe(unseen)
    expect((await open(workshop, a)).toString()).toBe('content')
  })
})

describe('the former key of a deposit that was moved', () => {
  it('is destroyed once the deposit opens under another one', async () => {
    const workshop = await makeWorkshop()
    const context = newContext()
    const [before, after] = [await seal(workshop, { context }), await seal(workshop, { context })]
    expect(await revoke(workshop, before, 'migrate', proofOf(workshop, after))).toBe('destroyed')
    const again = await revoke(workshop, before, 'migrate', proofOf(workshop, after))
    expect(again).toBe('already-gone')
    expect((await open(workshop, after)).toString()).toBe('content')
  })

  it('stays while the deposit still needs it, or does not open', async () => {
    const workshop = await makeWorkshop()
    const context = newContext()
    const [before, after] = [await seal(workshop, { context }), await seal(workshop, { context })]
    const damaged = Buffer.from(after.sealed)
    damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1)
    const proofs = [
      undefined,
      proofOf(workshop, before),
      proofOf(workshop, after, { sealed: damaged }),
    ]
    for (const proof of proofs)
      await expect(revoke(workshop, before, 'migrate', proof)).rejects.toMatchObject(refused)
    expect((await open(workshop, before)).toString()).toBe('content')
    // Nor where the key that took its place is gone.
    await workshop.partition.hsm.destroyKey(after.hsmKeyId)
    const gone = revoke(workshop, before, 'migrate', proofOf(workshop, after))
    await expect(gone).rejects.toMatchObject(refused)
  })
})

describe('no proof', () => {
  it('is taken for other reasons, nor needed', async () => {
    const workshop = await makeWorkshop()
    for (const reason of ['discard', 'prune', 'revoke', 'test'] as const) {
      const a = await seal(workshop)
      const shown = revoke(workshop, a, reason, proofOf(workshop, a))
      await expect(shown).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
      expect(await revoke(workshop, a, reason)).toBe('destroyed')
    }
  })
})
