/** The three ways in which deposits share HSM keys. */
import type { WrappingKind } from '../../kinds.js'
import type { CaseContext, WrappedEntry } from '../case-context.js'
import type { ConformanceCase } from '../conformance-case.js'
import { ensureEqual } from '../failure.js'
import { ensureGone } from './destroying.js'

/** One rule a scope, for keys of this kind. */
export function scopeCases(kind: WrappingKind): ConformanceCase[] {
  return [
    {
      name: `scope deposit: revoking one key loses one deposit / ${kind}`,
      kind,
      scope: 'deposit',
      run: (context) => revokesOnly(context, 1),
    },
    {
      name: `scope organisation: revoking one key loses that organisation's deposits / ${kind}`,
      kind,
      scope: 'organisation',
      run: (context) => revokesOnly(context, 3),
    },
    {
      name: `scope service: deposits of an earlier key open after rotation / ${kind}`,
      kind,
      scope: 'service',
      run: rotates,
    },
  ]

  /** Two keys with `share` deposits each; the first is revoked. */
  async function revokesOnly(context: CaseContext, share: number): Promise<void> {
    const lost = await deposits(context, share, 'lost')
    const kept = await deposits(context, share, 'kept')
    const id = lost[0]?.key.id
    if (id) ensureEqual(await context.hsm.destroyKey(id), 'destroyed', 'revoke')
    for (const entry of lost) await ensureGone(context, entry)
    for (const entry of kept) await context.ensureOpens(entry)
  }

  async function rotates(context: CaseContext): Promise<void> {
    const earlier = await deposits(context, 2, 'earlier')
    const later = await deposits(context, 2, 'later')
    for (const entry of [...earlier, ...later]) await context.ensureOpens(entry)
    const [old, current] = [earlier[0], later[0]]
    if (!old || !current) return
    const call = context.hsm.unwrapKey(current.key.id, old.wrapped, old.binding)
    await context.expectError(call, 'ERR_INTEGRITY', 'unwrap by the key after rotation')
    ensureEqual(await context.hsm.destroyKey(old.key.id), 'destroyed', 'revoke the earlier key')
    for (const entry of earlier) await ensureGone(context, entry)
    for (const entry of later) await context.ensureOpens(entry)
  }

  async function deposits(
    context: CaseContext,
    count: number,
    name: string,
  ): Promise<WrappedEntry[]> {
    const key = await context.createKey(kind)
    const entries: WrappedEntry[] = []
    for (let at = 0; at < count; at++) {
      entries.push(await context.wrapped(key, Buffer.from(`${name} ${at}`)))
    }
    return entries
  }
}
