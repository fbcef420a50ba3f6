/** Keys that go: destroyed by us, removed with the device's own tool. What they wrapped never opens again. */
import type { WrappingKind } from '../../kinds.js'
import type { CaseContext, WrappedEntry } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ensure, ensureEqual } from '../failure.js'

const variesBy = 'halves'
const binding = Buffer.from('header and context')
/** How long a key removed outside may still open after a recheck. */
const noticedWithinMs = 1000

/** The rules about keys of this kind that go. */
export function destroyingCases(kind: WrappingKind): ConformanceCase[] {
  return [
    { name: `a destroyed key is gone at once / ${kind}`, kind, variesBy, run: destroyed },
    {
      name: `a key removed outside stops opening / ${kind}`,
      kind,
      variesBy,
      needs: ['removeOutside'],
      run: removedOutside,
    },
  ]

  async function destroyed(context: CaseContext): Promise<void> {
    const other = await context.wrapped(await context.sharedKey(kind), binding)
    const entry = await context.wrapped(await context.createKey(kind), binding)
    const { id } = entry.key
    ensureEqual(await context.hsm.destroyKey(id), 'destroyed', 'the first destroy')
    await ensureGone(context, entry)
    ensureEqual(await context.hsm.destroyKey(id), 'already-gone', 'the second destroy')
    const outside = await context.underTest.existsOutside?.(id)
    ensure(outside !== true, "the device's own tool still shows the destroyed key")
    await context.ensureOpens(other)
    await context.reconnect()
    await ensureGone(context, entry)
    await context.ensureOpens(other)
  }

  async function removedOutside(context: CaseContext): Promise<void> {
    const { hsm } = context
    const other = await context.wrapped(await context.sharedKey(kind), binding)
    const entry = await context.wrapped(await context.createKey(kind), binding)
    await context.underTest.removeOutside?.(entry.key.id)
    await context.eventually(noticedWithinMs, async () => {
      await hsm.recheck()
      const call = hsm.unwrapKey(entry.key.id, entry.wrapped, binding)
      await context.expectError(call, 'ERR_NOT_FOUND', 'unwrap after removal outside')
    })
    await ensureGone(context, entry)
    ensureEqual(await hsm.destroyKey(entry.key.id), 'already-gone', 'destroy afterwards')
    await context.ensureOpens(other)
  }
}

/** Fails unless the entry's key can be neither used, found nor listed. */
export async function ensureGone(context: CaseContext, entry: WrappedEntry): Promise<void> {
  const { hsm } = context
  const { id } = entry.key
  const unwrap = hsm.unwrapKey(id, entry.wrapped, entry.binding)
  await context.expectError(unwrap, 'ERR_NOT_FOUND', 'unwrap by a key that is gone')
  const wrap = hsm.wrapKey(id, context.contentKey(), entry.binding)
  await context.expectError(wrap, 'ERR_NOT_FOUND', 'wrap by a key that is gone')
  ensureEqual((await hsm.findKey(id))?.id, undefined, 'find of a key that is gone')
  const listed = (await hsm.listKeys()).some((key) => key.id === id)
  ensure(!listed, 'a key that is gone is listed')
}
