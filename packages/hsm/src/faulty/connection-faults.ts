/** Faults of the connection: limits that are not kept, concurrency, loss, secrets where they do not belong. */
import { DomainError, hasCode } from '@keyhsm/core'
import type { Hsm } from '../hsm.js'
import { aroundCalls } from './around-calls.js'
import { type Fault, onError } from './fault.js'

const busyFrom = 8

export const connectionFaults = {
  'ignores the signal': (good) =>
    aroundCalls(good, ({ deadlineMs }, call) =>
      call(deadlineMs === undefined ? {} : { deadlineMs }),
    ),

  'ignores the deadline': (good) =>
    aroundCalls(good, ({ signal }, call) => call(signal ? { signal } : {})),

  'hangs when the signal is aborted': (good) =>
    aroundCalls(good, (options, call) => {
      const silent = () => options.signal?.aborted === true
      if (silent()) return call(options)
      return call(options).then(
        (result) => (silent() ? forever() : result),
        (error: unknown) => {
          if (silent()) return forever()
          throw error
        },
      )
    }),

  'hangs when there is a deadline': (good) =>
    aroundCalls(good, (options, call) =>
      options.deadlineMs === undefined ? call(options) : forever(),
    ),

  'reports a passed deadline as a missing key': (good) =>
    aroundCalls(good, (options, call) => {
      const passed = () => {
        throw new DomainError('ERR_NOT_FOUND', 'no such key')
      }
      if (options.deadlineMs === undefined) return call(options)
      return onError(call(options), 'ERR_HSM_UNAVAILABLE', passed)
    }),

  'reports a lost device as a missing key': (good) => ({
    findKey: (...call) => onError(good.findKey(...call), 'ERR_HSM_UNAVAILABLE', () => undefined),
  }),

  'reports a lost device as damage': (good) => ({
    unwrapKey: (...call) =>
      onError(good.unwrapKey(...call), 'ERR_HSM_UNAVAILABLE', () => {
        throw new DomainError('ERR_INTEGRITY', 'the device said no')
      }),
  }),

  'never recovers from a loss': (good) => {
    let lost = false
    return aroundCalls(good, async (options, call) => {
      if (lost) throw new DomainError('ERR_HSM_UNAVAILABLE', 'lost before')
      try {
        return await call(options)
      } catch (error) {
        lost = hasCode(error, 'ERR_HSM_UNAVAILABLE')
        throw error
      }
    })
  },

  'answers after close': (good) => ({ close: () => Promise.resolve(void good) }),

  'fails to close twice': (good) => {
    let closed = false
    return {
      close: async () => {
        if (closed) throw new DomainError('ERR_INTERNAL', 'closed before')
        closed = true
        await good.close()
      },
    }
  },

  'loses keys when busy': (good) => {
    let running = 0
    return {
      unwrapKey: async (...call) => {
        if (++running > busyFrom) {
          running--
          throw new DomainError('ERR_NOT_FOUND', 'the search found nothing')
        }
        return good.unwrapKey(...call).finally(() => running--)
      },
    }
  },

  'mixes up answers when busy': (good) => {
    let last: ReturnType<Hsm['unwrapKey']> | undefined
    return {
      unwrapKey: (...call) => {
        const previous = last
        const own = good.unwrapKey(...call)
        last = own
        const forget = () => {
          if (last === own) last = undefined
        }
        own.then(forget, forget)
        return previous ? own.then(() => previous) : own
      },
    }
  },

  'fails to make keys when busy': (good) => {
    let running = 0
    return {
      createKey: async (...call) => {
        if (++running > busyFrom) {
          running--
          throw new DomainError('ERR_HSM_REFUSED', 'general error')
        }
        return good.createKey(...call).finally(() => running--)
      },
    }
  },

  'knows only the keys it made itself': (good) => {
    const own = new Set<string>()
    const known = <Result>(id: string, call: () => Promise<Result>): Promise<Result> =>
      own.has(id) ? call() : Promise.reject(new DomainError('ERR_NOT_FOUND', 'no such key'))
    return {
      createKey: async (spec, options) => {
        const key = await good.createKey(spec, options)
        own.add(spec.id)
        return key
      },
      unwrapKey: (id, ...rest) => known(id, () => good.unwrapKey(id, ...rest)),
    }
  },

  'quotes the content key in an error': (good) => ({
    wrapKey: (id, contentKey, binding, options) => {
      const text = contentKey.expose((bytes) => bytes.toString('base64'))
      return onError(good.wrapKey(id, contentKey, binding, options), 'ERR_NOT_FOUND', () => {
        throw new DomainError('ERR_NOT_FOUND', `no key to wrap ${text} with`)
      })
    },
  }),

  'keeps its input in the cause of an error': (good) => ({
    unwrapKey: (id, wrapped, binding, options) =>
      onError(good.unwrapKey(id, wrapped, binding, options), 'ERR_INTEGRITY', () => {
        throw new DomainError('ERR_INTEGRITY', 'damaged', {
          cause: new Error('bad', { cause: wrapped }),
        })
      }),
  }),

  'shows the PIN in its health': (good, pin) => ({
    probe: async (options) => {
      const health = await good.probe(options)
      return { ...health, detail: `${health.detail}, logged in with ${pin}` }
    },
  }),

  'keeps the PIN where a log would print it': (_good, pin) => {
    const kept: Partial<Hsm> & { login: { pin: string } } = { login: { pin } }
    return kept
  },

  'throws what the library threw': (good) =>
    aroundCalls(good, (options, call) =>
      call(options).catch((error: unknown) => {
        throw new Error('CKR_GENERAL_ERROR', { cause: error })
      }),
    ),
} as const satisfies Record<string, Fault>

function forever(): Promise<never> {
  return new Promise(() => undefined)
}
