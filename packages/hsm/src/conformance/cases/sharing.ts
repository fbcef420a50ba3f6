/** Many operations at once, on one connection and on two. */
import type { KeyKind, WrappingKind } from '../../kinds.js'
import type { CaseContext, WrappedEntry } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ensure, ensureEqual, ensureSameSecret } from '../failure.js'

const binding = Buffer.from('header and context')
/** Keys made by each part of a rule: of kinds that take milliseconds, and of RSA. */
const cheapShare = 16
const dearShare = 4
const operations = 64
const noticedWithinMs = 1000
/** Cheap enough to make sixteen at once. */
const cheapKinds: readonly WrappingKind[] = ['ec-p256', 'aes-256']

export const sharingCases: readonly ConformanceCase[] = [
  { name: '64 operations at once all succeed', run: manyAtOnce },
  {
    name: 'two connections see what the other makes and destroys',
    needs: ['connectSecond'],
    run: twoConnections,
  },
  {
    name: 'two connections make keys at once',
    needs: ['connectSecond'],
    run: bothMake,
  },
  {
    name: 'of two connections that make one id at once, one wins',
    needs: ['connectSecond'],
    run: oneWins,
  },
]

async function manyAtOnce(context: CaseContext): Promise<void> {
  const { hsm } = context
  const { kinds, share } = keysFor(context)
  const uses = operations / 2 - share
  const kept = await entries(context, kinds, share / 2)
  const doomed = await entries(context, kinds, share)
  const specs = each(share, (at) => context.newSpec(pick(kinds, at)))
  const contentKeys = each(uses, () => context.contentKey())
  const [created, wrapped, opened, destroyed] = await Promise.all([
    Promise.all(specs.map((spec) => hsm.createKey(spec))),
    Promise.all(
      contentKeys.map((contentKey, at) => hsm.wrapKey(pick(kept, at).key.id, contentKey, binding)),
    ),
    Promise.all(
      each(uses, (at) => pick(kept, at)).map((e) => hsm.unwrapKey(e.key.id, e.wrapped, binding)),
    ),
    Promise.all(doomed.map((entry) => hsm.destroyKey(entry.key.id))),
  ])
  for (const [at, secret] of opened.entries()) {
    ensureSameSecret(secret, pick(kept, at).contentKey, 'unwrap among 64 operations')
  }
  for (const [at, made] of wrapped.entries()) {
    const contentKey = pick(contentKeys, at)
    await context.ensureOpens({ key: pick(kept, at).key, contentKey, wrapped: made, binding })
  }
  for (const key of created) await context.wrapped(key, binding)
  ensure(
    destroyed.every((answer) => answer === 'destroyed'),
    'a destroy among 64 operations did not destroy',
  )
  await Promise.all(doomed.map((entry) => ensureNotFound(context, entry)))
}

async function twoConnections(context: CaseContext): Promise<void> {
  const second = await context.connectSecond()
  const kind = context.anyKind
  const mine = await context.wrapped(await context.createKey(kind), binding)
  const theirsKey = await second.createKey(context.newSpec(kind))
  const theirs = await context.wrapped(theirsKey, binding, second)
  await context.ensureOpens(mine, second)
  await context.ensureOpens(theirs)
  const ids = (await context.hsm.listKeys()).map((key) => key.id)
  ensure(ids.includes(theirs.key.id), "the other connection's key is not listed")
  ensureEqual(await second.destroyKey(mine.key.id), 'destroyed', 'destroy by the other')
  await context.eventually(noticedWithinMs, async () => {
    await context.hsm.recheck()
    await ensureNotFound(context, mine)
  })
  await context.ensureOpens(theirs)
}

async function bothMake(context: CaseContext): Promise<void> {
  const second = await context.connectSecond()
  const { kinds, share } = keysFor(context)
  const makers = each(2 * share, (at) => (at % 2 === 0 ? context.hsm : second))
  const keys = await Promise.all(
    makers.map((hsm, at) => hsm.createKey(context.newSpec(pick(kinds, at >> 1)))),
  )
  for (const [at, key] of keys.entries()) {
    const [maker, other] = at % 2 === 0 ? [context.hsm, second] : [second, context.hsm]
    const entry = await context.wrapped(key, binding, maker)
    await context.ensureOpens(entry, other)
  }
}

async function oneWins(context: CaseContext): Promise<void> {
  const second = await context.connectSecond()
  for (let round = 0; round < 4; round++) {
    const spec = context.newSpec(context.anyKind)
    const calls = [context.hsm.createKey(spec), second.createKey(spec)]
    const settled = await Promise.allSettled(calls)
    const won = settled.filter((outcome) => outcome.status === 'fulfilled')
    ensureEqual(won.length, 1, 'connections that made one id')
    const lost = calls[settled.findIndex((outcome) => outcome.status === 'rejected')]
    if (lost) await context.expectError(lost, 'ERR_ALREADY_EXISTS', 'the later of two creates')
    const key = await second.findKey(spec.id)
    ensure(key !== undefined, 'the key of the winner is not found by the other')
    const entry = await context.wrapped(key, binding)
    await context.ensureOpens(entry, second)
  }
}

async function ensureNotFound(context: CaseContext, entry: WrappedEntry): Promise<void> {
  const call = context.hsm.unwrapKey(entry.key.id, entry.wrapped, binding)
  await context.expectError(call, 'ERR_NOT_FOUND', 'unwrap by a destroyed key')
}

async function entries(
  context: CaseContext,
  kinds: readonly KeyKind[],
  count: number,
): Promise<WrappedEntry[]> {
  const made: WrappedEntry[] = []
  for (let at = 0; at < count; at++) {
    made.push(await context.wrapped(await context.createKey(pick(kinds, at)), binding))
  }
  return made
}

function keysFor(context: CaseContext): { kinds: readonly KeyKind[]; share: number } {
  const kinds = cheapKinds.filter((kind) => context.kinds.includes(kind))
  return kinds.length > 0
    ? { kinds, share: cheapShare }
    : { kinds: [context.anyKind], share: dearShare }
}

function each<Value>(count: number, make: (at: number) => Value): Value[] {
  return Array.from({ length: count }, (_, at) => make(at))
}

/** The value at `at`, counting round and round. */
function pick<Value>(values: readonly Value[], at: number): Value {
  const value = values[at % values.length]
  ensure(value !== undefined, 'nothing to pick from')
  return value
}
