import { DomainError, type HsmKeyId } from '@keyhsm/core'
import type { Hsm, ProvingHsm } from '@keyhsm/hsm'
import { openMetrics } from '@keyhsm/service'
import { expect, it, onTestFinished } from 'vitest'
import { hsmMeters } from '../../src/monitoring/hsm-meters.js'
import { meterHsm } from '../../src/monitoring/meter-hsm.js'

const id = '00'.repeat(16) as HsmKeyId

/** A device whose every call ends as told. */
function device(answer: () => Promise<never>): Hsm {
  const target = { profile: 'p', description: 'd', capabilities: {} }
  const handler = { get: (known: object, name: string) => Reflect.get(known, name) ?? answer }
  return new Proxy(target, handler) as unknown as Hsm
}

it.each([
  ['ERR_HSM_UNAVAILABLE', 'transient'],
  ['ERR_HSM_LOGIN', 'login'],
  ['ERR_HSM_FULL', 'full'],
  ['ERR_NOT_FOUND', 'missing'],
  ['ERR_HSM_NOT_SUPPORTED', 'unsupported'],
  ['ERR_AUDIT_UNAVAILABLE', 'other'],
] as const)('counts %s as %s, times the call and passes the error on', async (code, kind) => {
  const metrics = await openMetrics('k')
  onTestFinished(() => metrics.close())
  const error = new DomainError(code, 'no')
  const hsm = meterHsm(
    device(() => Promise.reject(error)),
    metrics.meters(hsmMeters),
    'new',
  )
  expect(hsm.profile).toBe('p')
  await expect(hsm.findKey(id)).rejects.toBe(error)
  const text = await metrics.text()
  expect(text).toContain(`k_hsm_errors_total{backend="new",call="find",class="${kind}"} 1`)
  expect(text).toContain('k_hsm_call_seconds_count{backend="new",call="find"} 1')
})

it('measures every call of the contract', async () => {
  const metrics = await openMetrics('k')
  onTestFinished(() => metrics.close())
  const hsm = meterHsm(
    device(() => Promise.reject(new DomainError('ERR_BUSY', 'no'))),
    metrics.meters(hsmMeters),
    'new',
  ) as Hsm & ProvingHsm
  const verbs = [
    'createKey',
    'findKey',
    'listKeys',
    'wrapKey',
    'wrapProvedKey',
    'unwrapKey',
    'authenticate',
    'sign',
    'destroyKey',
    'recheck',
    'probe',
  ] as const
  for (const verb of verbs) await (hsm[verb] as () => Promise<unknown>)().catch(() => undefined)
  expect((await metrics.text()).match(/^k_hsm_errors_total\{/gm)).toHaveLength(verbs.length)
})
