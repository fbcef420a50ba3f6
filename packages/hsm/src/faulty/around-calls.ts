import type { CallOptions, Hsm } from '../hsm.js'

/** Stands around one call: may change its options, its result or its error, or not make it. */
export type Around = <Result>(
  options: CallOptions,
  call: (options: CallOptions) => Promise<Result>,
) => Promise<Result>

/** The verbs that a caller can limit, i.e. all but `probe` and `close`. */
export type LimitedVerbs = Omit<Hsm, 'profile' | 'description' | 'capabilities' | 'probe' | 'close'>

/** Every limited verb of `good`, each call with `around` around it. */
export function aroundCalls(good: Hsm, around: Around): LimitedVerbs {
  return {
    createKey: (spec, options = {}) => around(options, (o) => good.createKey(spec, o)),
    findKey: (id, options = {}) => around(options, (o) => good.findKey(id, o)),
    listKeys: (options = {}) => around(options, (o) => good.listKeys(o)),
    wrapKey: (id, contentKey, binding, options = {}) =>
      around(options, (o) => good.wrapKey(id, contentKey, binding, o)),
    unwrapKey: (id, wrapped, binding, options = {}) =>
      around(options, (o) => good.unwrapKey(id, wrapped, binding, o)),
    authenticate: (id, message, options = {}) =>
      around(options, (o) => good.authenticate(id, message, o)),
    sign: (id, message, options = {}) => around(options, (o) => good.sign(id, message, o)),
    destroyKey: (id, options = {}) => around(options, (o) => good.destroyKey(id, o)),
    recheck: (options = {}) => around(options, (o) => good.recheck(o)),
  }
}

/** All of `good` as a plain object, so that single verbs can be replaced. */
export function passOn(good: Hsm): Hsm {
  return {
    profile: good.profile,
    description: good.description,
    capabilities: good.capabilities,
    ...aroundCalls(good, (options, call) => call(options)),
    probe: (options) => good.probe(options),
    close: () => good.close(),
  }
}
