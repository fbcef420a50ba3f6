/** A good backend whose device can be stalled or taken away for a while, for tests of what happens then. */
import { DomainError } from '@keyhsm/core'
import { withinLimits } from '../call-limits.js'
import type { CallOptions, Hsm, HsmHealth } from '../hsm.js'
import { type Around, aroundCalls, passOn } from './around-calls.js'

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

  const reached: Around = (options, call) => {
    const begun = async (stillWanted: () => void) => {
      if (lost) throw new DomainError('ERR_HSM_UNAVAILABLE', 'the device is gone')
      await stalled
      stillWanted()
      return call({})
    }
    return withinLimits(options, begun, () => undefined)
  }
  const probe = (options: CallOptions = {}): Promise<HsmHealth> =>
    reached(options, () => good.probe()).catch(unavailable)

  return {
    hsm: { ...passOn(good), ...aroundCalls(good, reached), probe },
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

function unavailable(error: unknown): HsmHealth {
  return {
    state: 'unavailable',
    roundTripMs: undefined,
    detail: String(error),
    sessions: 0,
    keys: undefined,
    keyLimit: undefined,
  }
}
