/** Callers that give up: before the call, in its middle, by a deadline. */
import type { CallOptions } from '../../hsm.js'
import type { WrappingKind } from '../../kinds.js'
import type { CaseContext } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ensure, ensureEqual, within } from '../failure.js'

const binding = Buffer.from('header and context')
const unavailable = 'ERR_HSM_UNAVAILABLE'
const late = ['ERR_HSM_UNAVAILABLE', 'ERR_BUSY'] as const
/** The dearest first: the longer a call takes, the surer it is cut in its middle. */
const byCost: readonly WrappingKind[] = ['rsa-3072', 'rsa-2048', 'ec-p256', 'aes-256']
const stalledDeadlineMs = 300

export const limitCases: readonly ConformanceCase[] = [
  { name: 'a call that was aborted before it began does nothing', run: abortedBefore },
  { name: 'a call aborted half-way ends', run: (context) => givesUp(context, 'abort') },
  { name: 'a call past its deadline ends', run: (context) => givesUp(context, 'deadline') },
  { name: 'a hung device costs a caller no more than the deadline', needs: ['stall'], run: hung },
]

async function abortedBefore(context: CaseContext): Promise<void> {
  const { hsm } = context
  const { key, wrapped } = await context.wrapped(await context.createKey(context.anyKind), binding)
  const options: CallOptions = { signal: AbortSignal.abort() }
  const spec = context.newSpec(context.anyKind)
  const calls: Record<string, Promise<unknown>> = {
    createKey: hsm.createKey(spec, options),
    findKey: hsm.findKey(key.id, options),
    listKeys: hsm.listKeys(options),
    wrapKey: hsm.wrapKey(key.id, context.contentKey(), binding, options),
    unwrapKey: hsm.unwrapKey(key.id, wrapped, binding, options),
    destroyKey: hsm.destroyKey(key.id, options),
    recheck: hsm.recheck(options),
  }
  const settled = Promise.allSettled(Object.values(calls))
  await within(context.graceMs, settled, 'aborted calls')
  for (const [verb, call] of Object.entries(calls)) {
    await context.expectError(call, unavailable, `aborted ${verb}`)
  }
  ensureEqual((await hsm.findKey(spec.id))?.id, undefined, 'key of an aborted create')
  ensure((await hsm.findKey(key.id)) !== undefined, 'an aborted destroy destroyed')
}

async function givesUp(context: CaseContext, how: 'abort' | 'deadline'): Promise<void> {
  const kind = byCost.find((each) => context.kinds.includes(each)) ?? context.anyKind
  const bystander = await context.wrapped(await context.sharedKey(context.anyKind), binding)
  const spec = context.newSpec(kind)
  const cut = () => cutShort(how)
  const { key, wrapped } = bystander
  const calls: Record<string, (options: CallOptions) => Promise<unknown>> = {
    createKey: (options) => context.hsm.createKey(spec, options),
    wrapKey: (options) => context.hsm.wrapKey(key.id, context.contentKey(), binding, options),
    unwrapKey: (options) => context.hsm.unwrapKey(key.id, wrapped, binding, options),
    findKey: (options) => context.hsm.findKey(key.id, options),
    listKeys: (options) => context.hsm.listKeys(options),
  }
  for (const [verb, call] of Object.entries(calls)) {
    const outcome = call(cut()).then(
      () => undefined,
      (error: unknown) => error,
    )
    const error = await within(context.graceMs, outcome, `${verb} given up by ${how}`)
    // Too fast to be cut is no fault.
    if (error === undefined) continue
    const codes = how === 'abort' ? unavailable : late
    await context.expectError(Promise.reject(error), codes, `${verb} given up by ${how}`)
  }
  await context.eventually(context.recoveryMs, () => context.ensureOpens(bystander))
  await context.eventually(context.recoveryMs, async () => {
    await context.hsm.destroyKey(spec.id)
  })
}

function cutShort(how: 'abort' | 'deadline'): CallOptions {
  if (how === 'deadline') return { deadlineMs: 1 }
  const controller = new AbortController()
  setImmediate(() => controller.abort())
  return { signal: controller.signal }
}

async function hung(context: CaseContext): Promise<void> {
  const entry = await context.wrapped(await context.sharedKey(context.anyKind), binding)
  const repair = await context.underTest.stall?.(context.hsm)
  try {
    const options = { deadlineMs: stalledDeadlineMs }
    const calls = [1, 2, 3, 4].map(() =>
      context.hsm.unwrapKey(entry.key.id, entry.wrapped, binding, options),
    )
    const settled = Promise.allSettled(calls)
    await within(stalledDeadlineMs + context.graceMs, settled, 'unwrap on a hung device')
    for (const call of calls) await context.expectError(call, late, 'unwrap on a hung device')
  } finally {
    await repair?.()
  }
  await context.eventually(context.recoveryMs, () => context.ensureOpens(entry))
}
