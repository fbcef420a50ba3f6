/** Faults of wrapping and unwrapping. */
import { DomainError, SecretBytes } from '@keyhsm/core'
import type { Hsm } from '../hsm.js'
import { type Fault, onError, WrapMemory } from './fault.js'

const none = Buffer.alloc(0)

export const unwrapFaults = {
  'returns a wrong key': (good) => ({
    unwrapKey: async (...call) => {
      ;(await good.unwrapKey(...call)).wipe()
      return SecretBytes.random(32)
    },
  }),

  'returns a wrong key for damaged bytes': (good) => ({
    unwrapKey: (...call) =>
      onError(good.unwrapKey(...call), 'ERR_INTEGRITY', () => SecretBytes.random(32)),
  }),

  'ignores the binding': (good) => ({
    wrapKey: (id, contentKey, _binding, options) => good.wrapKey(id, contentKey, none, options),
    unwrapKey: (id, wrapped, _binding, options) => good.unwrapKey(id, wrapped, none, options),
  }),

  'accepts a flipped bit in the last byte': (good) =>
    recalls(good, (bytes, asked) => bytes.subarray(0, -1).equals(asked.subarray(0, -1))),

  'accepts bytes after the end': (good) =>
    recalls(good, (bytes, asked) => bytes.equals(asked.subarray(0, bytes.length))),

  'opens by any key': (good) => recalls(good, (bytes, asked) => bytes.equals(asked)),

  'takes the algorithm from its settings': (good) => ({
    unwrapKey: async (id, wrapped, binding, options) => {
      const key = await good.findKey(id, options)
      const kind = key?.kind as keyof typeof good.capabilities.wrapAlgorithms
      const algorithm = good.capabilities.wrapAlgorithms[kind] ?? wrapped.algorithm
      return good.unwrapKey(id, { ...wrapped, algorithm }, binding, options)
    },
  }),

  'reports damage as unavailable': (good) => reportsDamageAs(good, 'ERR_HSM_UNAVAILABLE'),

  'reports damage as a missing key': (good) => reportsDamageAs(good, 'ERR_NOT_FOUND'),

  'says what was wrong with damaged bytes': (good) => ({
    unwrapKey: (id, wrapped, binding, options) =>
      onError(good.unwrapKey(id, wrapped, binding, options), 'ERR_INTEGRITY', () => {
        const what = wrapped.bytes[0] === 0x04 ? 'tag' : 'padding'
        throw new DomainError('ERR_INTEGRITY', `the ${what} is wrong`)
      }),
  }),

  'proves a wrap that does not open': (good) => ({
    wrapProvedKey: (id, _contentKey, ...rest) => good.wrapKey(id, SecretBytes.random(32), ...rest),
  }),

  'wraps a content key of any length': (good) => ({
    wrapKey: (id, contentKey, binding, options) =>
      onError(good.wrapKey(id, contentKey, binding, options), 'ERR_INVALID_INPUT', () => {
        const padded = Buffer.alloc(32)
        contentKey.expose((bytes) => bytes.copy(padded))
        return good.wrapKey(id, SecretBytes.own(padded), binding, options)
      }),
  }),

  'wraps nothing': (good) => ({
    wrapKey: async (id, contentKey, binding, options) => {
      const { algorithm } = await good.wrapKey(id, contentKey, binding, options)
      return { algorithm, bytes: contentKey.expose((bytes) => Buffer.from(bytes)) }
    },
    unwrapKey: (_id, wrapped) => Promise.resolve(SecretBytes.own(Buffer.from(wrapped.bytes))),
  }),

  'repeats its nonce': (good) => {
    const made = new Map<string, ReturnType<Hsm['wrapKey']>>()
    return {
      wrapKey: (id, contentKey, binding, options) => {
        const plain = contentKey.expose((bytes) => bytes.toString('hex'))
        const name = `${id} ${plain} ${binding.toString('hex')}`
        const wrapped = made.get(name) ?? good.wrapKey(id, contentKey, binding, options)
        made.set(name, wrapped)
        return wrapped
      },
    }
  },

  'opens only what it wrapped itself': (good) => {
    const memory = new WrapMemory()
    return {
      wrapKey: memory.wrapKey(good),
      unwrapKey: async (id, wrapped, binding, options) => {
        if (!memory.recallExact(wrapped)) throw new DomainError('ERR_INTEGRITY', 'not mine')
        return good.unwrapKey(id, wrapped, binding, options)
      },
    }
  },
} as const satisfies Record<string, Fault>

/** Answers what the device refused from memory, when a remembered wrap is close enough. */
function recalls(good: Hsm, matches: (bytes: Buffer, asked: Buffer) => boolean): Partial<Hsm> {
  const memory = new WrapMemory()
  return {
    wrapKey: memory.wrapKey(good),
    unwrapKey: (id, wrapped, binding, options) =>
      onError(good.unwrapKey(id, wrapped, binding, options), 'ERR_INTEGRITY', (error) => {
        const contentKey = memory.recall((bytes) => matches(bytes, wrapped.bytes))
        if (!contentKey) throw error
        return contentKey
      }),
  }
}

function reportsDamageAs(good: Hsm, code: 'ERR_HSM_UNAVAILABLE' | 'ERR_NOT_FOUND'): Partial<Hsm> {
  return {
    unwrapKey: (...call) =>
      onError(good.unwrapKey(...call), 'ERR_INTEGRITY', () => {
        throw new DomainError(code, 'the device said no')
      }),
  }
}
