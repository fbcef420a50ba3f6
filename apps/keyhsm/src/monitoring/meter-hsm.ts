/** Times and counts every call to the device; what goes in and out is not looked at. */
import { type ErrorCode, toDomainError } from '@keyhsm/core'
import type { Hsm, ProvingHsm, RenamingHsm } from '@keyhsm/hsm'
import type { Counting, Timing } from '@keyhsm/service'

export interface HsmCallMeters {
  readonly calls: Timing
  readonly errors: Counting
}

interface Measuring {
  readonly meters: HsmCallMeters
  readonly backend: string
  readonly call: string
}

/** Classes of errors that an operator tells apart; every other code is `other`. */
const classOf: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_HSM_UNAVAILABLE: 'transient',
  ERR_BUSY: 'busy',
  ERR_HSM_LOGIN: 'login',
  ERR_HSM_FULL: 'full',
  ERR_NOT_FOUND: 'missing',
  ERR_CONFLICT: 'conflict',
  ERR_INTEGRITY: 'integrity',
  ERR_HSM_REFUSED: 'refused',
  ERR_HSM_NOT_SUPPORTED: 'unsupported',
}

/** Verbs of the contract, as the label names them. */
const calls: Readonly<Record<string, string>> = {
  createKey: 'create',
  findKey: 'find',
  listKeys: 'list',
  wrapKey: 'wrap',
  wrapProvedKey: 'wrap-proved',
  unwrapKey: 'unwrap',
  authenticate: 'authenticate',
  sign: 'sign',
  destroyKey: 'destroy',
  renameKey: 'rename',
  recheck: 'recheck',
  probe: 'probe',
} satisfies Partial<Record<keyof (Hsm & RenamingHsm & ProvingHsm), string>>

type Call = (...args: unknown[]) => Promise<unknown>

/** The same device, measured; all else of it is as it was. */
export function meterHsm(hsm: Hsm, meters: HsmCallMeters, backend: string): Hsm {
  return new Proxy(hsm, {
    get(target, name) {
      // The device itself is `this`: its private parts are not the proxy's.
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      const run = (...args: unknown[]) => (member as Call).apply(target, args)
      const call = typeof name === 'string' ? calls[name] : undefined
      return call === undefined
        ? run
        : (...args: unknown[]) => measured({ meters, backend, call }, () => run(...args))
    },
  })
}

async function measured<Result>(
  { meters, backend, call }: Measuring,
  run: () => Promise<Result>,
): Promise<Result> {
  const from = performance.now()
  try {
    return await run()
  } catch (error) {
    const { code } = toDomainError(error)
    meters.errors.add({ backend, call, class: classOf[code] ?? 'other' })
    throw error
  } finally {
    meters.calls.observe({ backend, call }, (performance.now() - from) / 1000)
  }
}
