/** Wrapping and unwrapping, kind by kind. */
import { SecretBytes } from '@keyhsm/core'
import { secretKeyFingerprint, spkiFingerprint } from '../../fingerprints.js'
import type { HsmKey, KeySpec } from '../../hsm.js'
import { isPair, type WrappingKind } from '../../kinds.js'
import { wrapAlgorithms } from '../../wrap-algorithms.js'
import { wrapInSoftware } from '../../wrap-in-software.js'
import { wrapProved } from '../../wrap-proved.js'
import { parseWrapPublicKey } from '../../wrap-public-key.js'
import type { CaseContext } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ensure, ensureEqual } from '../failure.js'

const variesBy = 'kind'
const bindings = [Buffer.alloc(0), Buffer.from('header and context'), Buffer.alloc(4096, 0xa5)]

/** The rules about making a key of this kind and using it well. */
export function roundTripCases(kind: WrappingKind): ConformanceCase[] {
  const cases: ConformanceCase[] = [
    {
      name: `a new key is found and listed as it was asked for / ${kind}`,
      kind,
      variesBy,
      run: newKey,
    },
    { name: `a content key comes back / ${kind}`, kind, variesBy, run: comesBack },
    { name: `what is wrapped with its proof opens / ${kind}`, kind, variesBy, run: proved },
    {
      name: `another binding is refused where the algorithm binds / ${kind}`,
      kind,
      variesBy,
      run: binds,
    },
    { name: `a content key of another length is refused / ${kind}`, kind, run: length },
  ]
  // A secret key has no public half to wrap with.
  if (kind === 'aes-256') return cases
  const name = `a content key wrapped in software comes back / ${kind}`
  return [...cases, { name, kind, variesBy, run: software }]

  async function newKey(context: CaseContext): Promise<void> {
    const spec = context.newSpec(kind)
    ensureIs(await context.hsm.createKey(spec), spec, 'the created key')
    const found = await context.hsm.findKey(spec.id)
    ensure(found !== undefined, 'the new key is not found')
    ensureIs(found, spec, 'the found key')
    const listed = (await context.hsm.listKeys()).filter((key) => key.id === spec.id)
    ensureEqual(listed.length, 1, 'entries in the list for one key')
    if (listed[0]) ensureIs(listed[0], spec, 'the listed key')
  }

  async function comesBack(context: CaseContext): Promise<void> {
    const key = await context.sharedKey(kind)
    const expected = context.hsm.capabilities.wrapAlgorithms[kind]
    ensure(expected !== undefined, 'the capabilities name no algorithm for this kind')
    const kinds: readonly string[] = wrapAlgorithms[expected].kinds
    ensure(kinds.includes(kind), `${expected} is not an algorithm of this kind`)
    for (const binding of bindings) {
      const first = await context.wrapped(key, binding)
      ensureEqual(first.wrapped.algorithm, expected, 'algorithm')
      const plain = first.contentKey.expose((bytes) => first.wrapped.bytes.includes(bytes))
      ensure(!plain, 'the wrapped bytes hold the content key')
      const again = await context.hsm.wrapKey(key.id, first.contentKey, binding)
      const deterministic = expected === 'aes-256-kwp'
      ensureEqual(again.bytes.equals(first.wrapped.bytes), deterministic, 'two wraps are equal')
      await context.ensureOpens(first)
    }
  }

  async function proved(context: CaseContext): Promise<void> {
    const key = await context.sharedKey(kind)
    for (const binding of bindings) {
      const contentKey = context.contentKey()
      const wrapped = await wrapProved(context.hsm, { id: key.id, contentKey, binding })
      ensureEqual(wrapped.algorithm, context.hsm.capabilities.wrapAlgorithms[kind], 'algorithm')
      await context.ensureOpens({ key, contentKey, wrapped, binding })
    }
    const { id } = context.newSpec(kind)
    const what = { id, contentKey: context.contentKey(), binding: Buffer.alloc(0) }
    const call = wrapProved(context.hsm, what)
    await context.expectError(call, 'ERR_NOT_FOUND', 'wrap with its proof by no key')
  }

  async function software(context: CaseContext): Promise<void> {
    const key = await context.sharedKey(kind)
    const algorithm = context.hsm.capabilities.wrapAlgorithms[kind]
    ensure(algorithm !== undefined, 'the capabilities name no algorithm for this kind')
    ensure(key.publicKey !== undefined, 'a pair without a public key')
    const binding = Buffer.from('wrapped in software')
    const contentKey = context.contentKey()
    const publicKey = parseWrapPublicKey(key.id, key.publicKey)
    const wrapped = wrapInSoftware(publicKey, algorithm, contentKey, binding)
    await context.ensureOpens({ key, contentKey, wrapped, binding })
  }

  async function binds(context: CaseContext): Promise<void> {
    const entry = await context.wrapped(await context.sharedKey(kind), Buffer.from('right'))
    const moved = { ...entry, binding: Buffer.from('wrong') }
    if (!wrapAlgorithms[entry.wrapped.algorithm].bindsContext) {
      // The payload layer binds the context; here the binding must at least not change the key.
      return context.ensureOpens(moved)
    }
    const call = context.hsm.unwrapKey(entry.key.id, entry.wrapped, moved.binding)
    await context.expectError(call, 'ERR_INTEGRITY', 'unwrap under another binding')
    await context.ensureOpens(entry)
  }

  async function length(context: CaseContext): Promise<void> {
    const key = await context.sharedKey(kind)
    for (const bytes of [0, 16, 31, 33, 64]) {
      const call = context.hsm.wrapKey(key.id, SecretBytes.random(bytes), Buffer.alloc(0))
      await context.expectError(call, 'ERR_INVALID_INPUT', `wrap of ${bytes} bytes`)
    }
  }
}

/** Whether `key` is what `spec` asked for, with a public key and fingerprint that fit. */
export function ensureIs(key: HsmKey, spec: KeySpec, what: string): void {
  ensureEqual(key.id, spec.id, `id of ${what}`)
  ensureEqual(key.label, spec.label, `label of ${what}`)
  ensureEqual(key.kind, spec.kind, `kind of ${what}`)
  ensureEqual(key.use, spec.use, `use of ${what}`)
  ensureEqual(key.publicKey !== undefined, isPair(spec.kind), `${what} has a public key`)
  if (key.publicKey === undefined) {
    ensureEqual(key.fingerprint, secretKeyFingerprint(key.id), `fingerprint of ${what}`)
    return
  }
  ensureEqual(parseWrapPublicKey(key.id, key.publicKey).kind, spec.kind, `public key of ${what}`)
  ensureEqual(key.fingerprint, spkiFingerprint(key.publicKey), `fingerprint of ${what}`)
}
