/** Faults of making, finding, using and destroying keys. */
import { createHash, randomBytes } from 'node:crypto'
import { DomainError, type Fingerprint, type HsmKeyId, SecretBytes } from '@keyhsm/core'
import type { HsmKey, KeySpec } from '../hsm.js'
import { type Fault, onError, WrapMemory } from './fault.js'

export const keyFaults = {
  'misses a key every other time': (good) => {
    let calls = 0
    return {
      findKey: async (...call) => (calls++ % 2 === 0 ? undefined : good.findKey(...call)),
    }
  },

  'finds a key that is not there': (good) => ({
    findKey: async (id, options) => (await good.findKey(id, options)) ?? invented(id),
  }),

  'reports an unknown key as damage': (good) => ({
    unwrapKey: (...call) =>
      onError(good.unwrapKey(...call), 'ERR_NOT_FOUND', () => {
        throw new DomainError('ERR_INTEGRITY', 'the device said no')
      }),
  }),

  'lists both halves of a pair': (good) => ({
    listKeys: async (options) => (await good.listKeys(options)).flatMap((key) => [key, key]),
  }),

  'lists nothing': () => ({ listKeys: () => Promise.resolve([]) }),

  'labels keys by their id': (good) => ({
    createKey: (spec, options) => good.createKey({ ...spec, label: spec.id }, options),
  }),

  'gives a wrong fingerprint': (good) => ({
    findKey: async (id, options) => {
      const key = await good.findKey(id, options)
      return key && { ...key, fingerprint: 'ab'.repeat(32) as Fingerprint }
    },
  }),

  'mends a bad specification': (good) => ({
    createKey: (spec, options) =>
      onError(good.createKey(spec, options), 'ERR_INVALID_INPUT', () =>
        good.createKey(mended(), options),
      ),
  }),

  'overwrites a taken id': (good) => ({
    createKey: (spec, options) =>
      onError(good.createKey(spec, options), 'ERR_ALREADY_EXISTS', async () => {
        await good.destroyKey(spec.id, options)
        return good.createKey(spec, options)
      }),
  }),

  'answers a taken id with the old key': (good) => ({
    createKey: (spec, options) =>
      onError(good.createKey(spec, options), 'ERR_ALREADY_EXISTS', async (error) => {
        const key = await good.findKey(spec.id, options)
        if (!key) throw error
        return key
      }),
  }),

  'takes the first of two keys with one id': (good) => {
    const memory = new WrapMemory()
    const keys = new Map<HsmKeyId, HsmKey>()
    return {
      createKey: async (spec, options) => {
        const key = await good.createKey(spec, options)
        keys.set(spec.id, key)
        return key
      },
      findKey: (id, options) =>
        onError(good.findKey(id, options), 'ERR_CONFLICT', () => keys.get(id)),
      wrapKey: memory.wrapKey(good),
      unwrapKey: (id, wrapped, binding, options) =>
        onError(good.unwrapKey(id, wrapped, binding, options), 'ERR_CONFLICT', (error) => {
          const contentKey = memory.recallExact(wrapped)
          if (!contentKey) throw error
          return contentKey
        }),
    }
  },

  'authenticates with any key': (good) => ({
    authenticate: (id, message, options) =>
      onError(good.authenticate(id, message, options), 'ERR_HSM_REFUSED', () =>
        SecretBytes.own(createHash('sha256').update(id).update(message).digest()),
      ),
  }),

  'signs with any key': (good) => ({
    sign: (id, message, options) =>
      onError(good.sign(id, message, options), 'ERR_HSM_REFUSED', () => randomBytes(64)),
  }),

  'wraps with any key': (good) => ({
    wrapKey: (id, contentKey, binding, options) =>
      onError(good.wrapKey(id, contentKey, binding, options), 'ERR_HSM_REFUSED', () => ({
        algorithm: 'aes-256-gcm' as const,
        bytes: randomBytes(60),
      })),
  }),

  'makes another MAC on each connection': (good) => {
    const mask = randomBytes(1).readUInt8(0) | 1
    return {
      authenticate: async (...call) =>
        changed(await good.authenticate(...call), (byte) => byte ^ mask),
    }
  },

  'makes another MAC on each call': (good) => {
    let calls = 0
    return {
      authenticate: async (...call) =>
        changed(await good.authenticate(...call), (byte) => byte ^ (calls++ & 0xff)),
    }
  },

  'makes the MAC of nothing': (good) => ({
    authenticate: (id, _message, options) => good.authenticate(id, Buffer.alloc(0), options),
  }),

  'signs something else': (good) => ({
    sign: (id, message, options) =>
      good.sign(id, Buffer.concat([message, Buffer.from([0])]), options),
  }),

  'lies about destroying': () => ({ destroyKey: () => Promise.resolve('destroyed' as const) }),

  'fails to destroy a key that is gone': (good) => ({
    destroyKey: async (...call) => {
      const answer = await good.destroyKey(...call)
      if (answer === 'destroyed') return answer
      throw new DomainError('ERR_NOT_FOUND', 'no such key')
    },
  }),

  'destroys the key made last as well': (good) => {
    const made: HsmKeyId[] = []
    return {
      createKey: async (spec, options) => {
        const key = await good.createKey(spec, options)
        made.push(spec.id)
        return key
      },
      destroyKey: async (id, options) => {
        const last = made.pop()
        if (last !== undefined && last !== id) await good.destroyKey(last, options)
        return good.destroyKey(id, options)
      },
    }
  },

  'opens from a cache when the key is gone': (good) => {
    const memory = new WrapMemory()
    return {
      wrapKey: memory.wrapKey(good),
      unwrapKey: (id, wrapped, binding, options) =>
        onError(good.unwrapKey(id, wrapped, binding, options), 'ERR_NOT_FOUND', (error) => {
          const contentKey = memory.recallExact(wrapped)
          if (!contentKey) throw error
          return contentKey
        }),
    }
  },
} as const satisfies Record<string, Fault>

function invented(id: HsmKeyId): HsmKey {
  const fingerprint = 'cd'.repeat(32) as Fingerprint
  return { id, label: 'invented', kind: 'aes-256', use: 'wrap', publicKey: undefined, fingerprint }
}

function mended(): KeySpec {
  const id = randomBytes(16).toString('hex') as HsmKeyId
  return { id, label: 'mended', kind: 'aes-256', use: 'wrap' }
}

function changed(mac: SecretBytes, change: (byte: number) => number): SecretBytes {
  return SecretBytes.own(mac.expose((bytes) => Buffer.from(bytes.map(change))))
}
