/** A good backend whose device can be stalled or taken away for a while, for tests of what happens then. */
import { DomainError } from '@keyhsm/core'
import { withinLimits } from '../call-limits.js'
import type { CallOptions, Hsm, HsmHealth } from '../hsm.js'

export interface Interruptible {
  readonly hsm: Hsm
  /** From now on calls wait, within their limits. Returns what lets them go on. */
  stall(): () => void
  /** From now on calls answer ERR_HSM_UNAVAILABLE. Returns what ends that. */
  lose(): () => void
}

/** Wraps `good`; nothing is different until it is interrupted. */
export function interruptible(good: Hsm): Interruptible {
  let stalled: Promise<void> | undefined
  let lost = false

  const reach = async (): Promise<void> => {
    if (lost) throw new DomainError('ERR_HSM_UNAVAILABLE', 'the device is gone')
    await stalled
  }
  const call = <Result>(options: CallOptions, work: () => Promise<Result>): Promise<Result> => {
    const begun = async (stillWanted: () => void) => {
      await reach()
      stillWanted()
      return work()
    }
    return withinLimits(options, begun, () => undefined)
  }
  const probe = (options: CallOptions): Promise<HsmHealth> =>
    call(options, () => good.probe(options)).catch((error: unknown) => ({
      state: 'unavailable' as const,
      roundTripMs: undefined,
      detail: String(error),
      sessions: 0,
      keys: undefined,
      keyLimit: undefined,
    }))

  const hsm: Hsm = {
    profile: good.profile,
    description: good.description,
    capabilities: good.capabilities,
    createKey: (spec, options = {}) => call(options, () => good.createKey(spec, options)),
    findKey: (id, options = {}) => call(options, () => good.findKey(id, options)),
    listKeys: (options = {}) => call(options, () => good.listKeys(options)),
    wrapKey: (id, key, binding, options = {}) =>
      call(options, () => good.wrapKey(id, key, binding, options)),
    unwrapKey: (id, wrapped, binding, options = {}) =>
      call(options, () => good.unwrapKey(id, wrapped, binding, options)),
    authenticate: (id, message, options = {}) =>
      call(options, () => good.authenticate(id, message, options)),
    sign: (id, message, options = {}) => call(options, () => good.sign(id, message, options)),
    destroyKey: (id, options = {}) => call(options, () => good.destroyKey(id, options)),
    recheck: (options = {}) => call(options, () => good.recheck(options)),
    probe: (options = {}) => probe(options),
    close: () => good.close(),
  }
  return {
    hsm,
    stall: () => {
      let release: () => void = () => undefined
      stalled = new Promise((resolve) => {
        release = resolve
      })
      return () => {
        stalled = undefined
        release()
      }
    },
    lose: () => {
      lost = true
      return () => {
        lost = false
      }
    },
  }
}
