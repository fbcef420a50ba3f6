/** Ids: unknown, taken, given twice; and what a key may not be used for. */
import { randomBytes } from 'node:crypto'
import type { HsmKeyId } from '@keyhsm/core'
import type { KeySpec, KeyUse } from '../../hsm.js'
import type { KeyKind, WrappingKind } from '../../kinds.js'
import type { CaseContext } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ensureEqual } from '../failure.js'

const binding = Buffer.from('header and context')
const useRefused = ['ERR_HSM_REFUSED', 'ERR_HSM_NOT_SUPPORTED'] as const

/** The rules about ids and uses of keys of this kind. */
export function identityCases(kind: WrappingKind): ConformanceCase[] {
  return [
    { name: `an unknown id is not found / ${kind}`, kind, run: unknownId },
    { name: `a taken id is refused and its key unchanged / ${kind}`, kind, run: takenId },
    {
      name: `two keys with one id are a conflict / ${kind}`,
      kind,
      variesBy: 'halves',
      needs: ['plantDuplicate', 'removeOutside'],
      run: twoKeys,
    },
    {
      name: `a wrapping key neither authenticates nor signs / ${kind}`,
      kind,
      variesBy: 'kind',
      run: confined,
    },
  ]

  async function unknownId(context: CaseContext): Promise<void> {
    const { hsm } = context
    const { wrapped } = await context.wrapped(await context.sharedKey(kind), binding)
    const id = randomBytes(16).toString('hex') as HsmKeyId
    ensureEqual((await hsm.findKey(id))?.id, undefined, 'find of an unknown id')
    const wrap = hsm.wrapKey(id, context.contentKey(), binding)
    await context.expectError(wrap, 'ERR_NOT_FOUND', 'wrap by an unknown id')
    const unwrap = hsm.unwrapKey(id, wrapped, binding)
    await context.expectError(unwrap, 'ERR_NOT_FOUND', 'unwrap by an unknown id')
    const mac = hsm.authenticate(id, binding)
    await context.expectError(mac, 'ERR_NOT_FOUND', 'authenticate by an unknown id')
    await context.expectError(hsm.sign(id, binding), 'ERR_NOT_FOUND', 'sign by an unknown id')
    ensureEqual(await hsm.destroyKey(id), 'already-gone', 'destroy of an unknown id')
  }

  async function takenId(context: CaseContext): Promise<void> {
    const spec = context.newSpec(kind)
    const key = await context.hsm.createKey(spec)
    const entry = await context.wrapped(key, binding)
    for (const again of [spec, { ...spec, label: 'another-label' }]) {
      const call = context.hsm.createKey(again)
      await context.expectError(call, 'ERR_ALREADY_EXISTS', 'create with a taken id')
    }
    await context.ensureOpens(entry)
    await context.reconnect()
    await context.ensureOpens(entry)
    ensureEqual((await context.hsm.findKey(spec.id))?.label, spec.label, 'label afterwards')
  }

  async function twoKeys(context: CaseContext): Promise<void> {
    const bystander = await context.wrapped(await context.sharedKey(kind), binding)
    const entry = await context.wrapped(await context.createKey(kind), binding)
    const { id } = entry.key
    await context.underTest.plantDuplicate?.(entry.key)
    await context.expectError(context.hsm.findKey(id), 'ERR_CONFLICT', 'find, key cached')
    const hsm = await context.reconnect()
    await context.expectError(hsm.findKey(id), 'ERR_CONFLICT', 'find')
    const wrap = hsm.wrapKey(id, context.contentKey(), binding)
    await context.expectError(wrap, 'ERR_CONFLICT', 'wrap')
    const unwrap = hsm.unwrapKey(id, entry.wrapped, binding)
    await context.expectError(unwrap, 'ERR_CONFLICT', 'unwrap')
    await context.expectError(hsm.destroyKey(id), 'ERR_CONFLICT', 'destroy')
    const create = hsm.createKey({ id, label: 'third', kind, use: 'wrap' })
    await context.expectError(create, 'ERR_ALREADY_EXISTS', 'create')
    await context.ensureOpens(bystander)
    await context.underTest.removeOutside?.(id)
  }

  async function confined(context: CaseContext): Promise<void> {
    const key = await context.sharedKey(kind)
    const mac = context.hsm.authenticate(key.id, binding)
    await context.expectError(mac, useRefused, 'authenticate by a wrapping key')
    const signature = context.hsm.sign(key.id, binding)
    await context.expectError(signature, useRefused, 'sign by a wrapping key')
  }
}

const goodSpec: Omit<KeySpec, 'id'> = { label: 'label', kind: 'ec-p256', use: 'wrap' }
const badSpecs: readonly Partial<KeySpec>[] = [
  { id: 'short' as HsmKeyId },
  { id: 'A'.repeat(32) as HsmKeyId },
  { label: '' },
  { label: 'x'.repeat(65) },
  { label: 'a b' },
  { kind: 'aes-128' as KeyKind },
  { use: 'authenticate' },
  { kind: 'hmac-sha256', use: 'wrap' },
  { kind: 'rsa-2048', use: 'sign' },
  { use: 'everything' as KeyUse },
]

/** Rules on what may be asked for, the same for every kind. */
export const specificationCases: readonly ConformanceCase[] = [
  { name: 'a key that breaks the rules of naming or use is not made', run: badSpecifications },
]

async function badSpecifications(context: CaseContext): Promise<void> {
  for (const change of badSpecs) {
    const spec = { ...context.newSpec('ec-p256'), ...goodSpec, ...change }
    const call = context.hsm.createKey(spec)
    await context.expectError(call, 'ERR_INVALID_INPUT', `create with ${JSON.stringify(change)}`)
  }
}
