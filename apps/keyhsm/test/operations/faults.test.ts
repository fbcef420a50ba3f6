import { DomainError, newUuid, SecretBytes } from '@keyhsm/core'
import type { Hsm } from '@keyhsm/hsm'
import { describe, expect, it, vi } from 'vitest'
import { openDeposit } from '../../src/operations/open-deposit.js'
import { sealDeposit } from '../../src/operations/seal-deposit.js'
import { caller, makeWorkshop, sealRequest, withAudit, withVerbs } from '../workshop.js'

const unavailable = () => new DomainError('ERR_HSM_UNAVAILABLE', 'away', { retryAfterMs: 1000 })
const keysBefore = 3

describe('a seal that fails', () => {
  it('leaves no key when the wrap, the proof or the audit fails after the key was made', async () => {
    const workshop = await makeWorkshop()
    const { hsm } = workshop.partition
    const wrong = async () => SecretBytes.random(32)
    const fail = async () => {
      throw unavailable()
    }
    const noOutcome = withAudit(workshop, (entry) => {
      if (entry.event === 'intent') return workshop.audit.append(entry)
      throw new DomainError('ERR_AUDIT_UNAVAILABLE', 'disk full')
    })
    const cases = [
      [withVerbs(workshop, { wrapKey: fail }), 'ERR_HSM_UNAVAILABLE'],
      [withVerbs(workshop, { unwrapKey: fail }), 'ERR_HSM_UNAVAILABLE'],
      [withVerbs(workshop, { unwrapKey: wrong }), 'ERR_HSM_REFUSED'],
      [noOutcome, 'ERR_AUDIT_UNAVAILABLE'],
    ] as const
    for (const [shop, code] of cases) {
      await expect(sealDeposit(shop, caller, sealRequest(shop, 'x'))).rejects.toMatchObject({
        code,
      })
      expect((await hsm.listKeys()).length).toBe(keysBefore)
      expect(workshop.partition.capacity.state().keys).toBe(keysBefore)
    }
  })

  it('removes a key of which it is not known whether it was made', async () => {
    const workshop = await makeWorkshop()
    const { hsm } = workshop.partition
    const createKey: Hsm['createKey'] = async (...call) => {
      await hsm.createKey(...call)
      throw unavailable()
    }
    const shop = withVerbs(workshop, { createKey })
    await expect(sealDeposit(shop, caller, sealRequest(shop, 'x'))).rejects.toMatchObject({
      code: 'ERR_HSM_UNAVAILABLE',
      retryAfterMs: 1000,
    })
    expect((await hsm.listKeys()).length).toBe(keysBefore)
  })

  it('says in the log when a key had to be left', async () => {
    const workshop = await makeWorkshop()
    const fail = async () => {
      throw unavailable()
    }
    const shop = withVerbs(workshop, { wrapKey: fail, destroyKey: fail })
    await expect(sealDeposit(shop, caller, sealRequest(shop, 'x'))).rejects.toThrow()
    expect(workshop.warnings).toEqual(['an unused HSM key is left'])
    expect((await workshop.partition.hsm.listKeys()).length).toBe(keysBefore + 1)
  })

  it('never destroys a shared key', async () => {
    const workshop = await makeWorkshop()
    const seal = (shop = workshop) =>
      sealDeposit(shop, caller, sealRequest(shop, 'x', { scope: 'service' }))
    const { hsmKeyId } = await seal()
    const fail = async () => {
      throw unavailable()
    }
    await expect(seal(withVerbs(workshop, { wrapKey: fail }))).rejects.toThrow()
    expect((await seal()).hsmKeyId).toBe(hsmKeyId)
  })

  it('is refused before the HSM is touched: too large, another canary, audit not writable', async () => {
    const workshop = await makeWorkshop()
    const calls: string[] = []
    const untouched = withVerbs(workshop, {
      createKey: async () => {
        calls.push('createKey')
        throw unavailable()
      },
    })
    const noAudit = withAudit(untouched, () =>
      Promise.reject(new DomainError('ERR_AUDIT_UNAVAILABLE', 'disk full')),
    )
    const canary = workshop.partition.keys.auth.fingerprint
    const cases = [
      [untouched, sealRequest(untouched, 'x'.repeat(1025)), 'ERR_TOO_LARGE'],
      [untouched, sealRequest(untouched, 'x', { canary }), 'ERR_WRONG_PARTITION'],
      [noAudit, sealRequest(noAudit, 'x'), 'ERR_AUDIT_UNAVAILABLE'],
    ] as const
    for (const [shop, request, code] of cases) {
      await expect(sealDeposit(shop, caller, request)).rejects.toMatchObject({ code })
    }
    expect(calls).toEqual([])
  })

  it('replaces a shared key that somebody removed', async () => {
    const workshop = await makeWorkshop({ seal: { scope: 'organisation' } })
    const first = await sealDeposit(workshop, caller, sealRequest(workshop, 'x'))
    await workshop.partition.hsm.destroyKey(first.hsmKeyId)
    const second = await sealDeposit(workshop, caller, sealRequest(workshop, 'x'))
    expect(second.hsmKeyId).not.toBe(first.hsmKeyId)
  })

  it('does not make a new shared key when the whole partition is gone', async () => {
    const workshop = await makeWorkshop({ seal: { scope: 'service' } })
    const { hsm, keys } = workshop.partition
    const first = await sealDeposit(workshop, caller, sealRequest(workshop, 'x'))
    await hsm.destroyKey(first.hsmKeyId)
    await hsm.destroyKey(keys.canary.id)
    await expect(sealDeposit(workshop, caller, sealRequest(workshop, 'x'))).rejects.toMatchObject({
      code: 'ERR_WRONG_PARTITION',
    })
    expect((await hsm.listKeys()).length).toBe(keysBefore - 1)
  })
})

describe('an open that cannot ask', () => {
  async function sealOne() {
    const workshop = await makeWorkshop()
    const request = sealRequest(workshop, 'a secret')
    const { sealed, hsmKeyId } = await sealDeposit(workshop, caller, request)
    const { context, canary } = request
    return { workshop, hsmKeyId, request: { requestId: newUuid(), context, canary, sealed } }
  }

  it('wipes the content that it does not give out, because the outcome cannot be written', async () => {
    const { workshop, request } = await sealOne()
    const shop = withAudit(workshop, (entry) => {
      if (entry.event === 'intent') return workshop.audit.append(entry)
      throw new DomainError('ERR_AUDIT_UNAVAILABLE', 'disk full')
    })
    const opened: unknown[] = []
    const { activity } = shop.partition
    const during = activity.during.bind(activity)
    vi.spyOn(activity, 'during').mockImplementation(async (work) => {
      const content = await during(work)
      opened.push(content)
      return content
    })
    await expect(openDeposit(shop, caller, request)).rejects.toMatchObject({
      code: 'ERR_AUDIT_UNAVAILABLE',
    })
    expect(opened).toEqual([Buffer.alloc('a secret'.length)])
  })

  it.each([
    ['ERR_HSM_UNAVAILABLE', 'ERR_HSM_UNAVAILABLE'],
    ['ERR_BUSY', 'ERR_BUSY'],
    ['ERR_HSM_LOGIN', 'ERR_HSM_LOGIN'],
    ['ERR_CONFLICT', 'ERR_HSM_REFUSED'],
  ] as const)('is never irretrievable: %s', async (code, answer) => {
    const { workshop, request } = await sealOne()
    const unwrapKey = async () => {
      throw new DomainError(code, 'not now')
    }
    const shop = withVerbs(workshop, { unwrapKey })
    await expect(openDeposit(shop, caller, request)).rejects.toMatchObject({ code: answer })
    expect((await workshop.entries()).at(-1)).toMatch(/^outcome open (unavailable|refused) /)
  })

  it('is a wrong partition when key and canary are both not to be seen', async () => {
    const { workshop, request, hsmKeyId } = await sealOne()
    await workshop.partition.hsm.destroyKey(hsmKeyId)
    const shop = withVerbs(workshop, {})
    await workshop.partition.hsm.destroyKey(workshop.partition.keys.canary.id)
    await expect(openDeposit(shop, caller, request)).rejects.toMatchObject({
      code: 'ERR_WRONG_PARTITION',
    })
    expect((await workshop.entries()).at(-1)).toMatch(/^outcome open unavailable ERR_WRONG/)
  })

  it('is a wrong partition for a caller that joined another one', async () => {
    const { workshop, request } = await sealOne()
    const canary = workshop.partition.keys.auth.fingerprint
    await expect(openDeposit(workshop, caller, { ...request, canary })).rejects.toMatchObject({
      code: 'ERR_WRONG_PARTITION',
    })
  })
})
