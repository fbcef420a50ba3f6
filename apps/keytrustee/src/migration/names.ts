/** The name rules of the manual, for deposits that come from where there were none. */
import { invalidInput, parseHandle, type Handle } from '@keyhsm/core'
import type { BodyOf, planJoinRoute } from '@keyhsm/protocol'
import type { Deposit } from '../store/store.js'

/** A line of the operator's map. */
export type NameWish = NonNullable<BodyOf<typeof planJoinRoute>['names']>[number]

/** Letters, digits, `-`, `.` and `_`, of which the first is a letter or digit. @see Key HSM manual, "Prepare Existing Keys for Migration" */
export function isAllowedName(name: string): boolean {
  try {
    parseHandle(name)
    return true
  } catch {
    return false
  }
}

/** A name that the rules allow, as near to the one given as it can be. */
export function suggestName(name: string): Handle {
  const allowed = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/^[^A-Za-z0-9]+/, '')
  return parseHandle((allowed === '' ? 'renamed' : allowed).slice(0, 128))
}

/** As {@link suggestName}, told apart from a name that is taken. */
export function suggestOther(name: string, { uuid }: Pick<Deposit, 'uuid'>): Handle {
  return parseHandle(`${suggestName(name).slice(0, 119)}-${uuid.slice(0, 8)}`)
}

/** The names an operator wants, by uuid or present name of the deposit. */
export class NameMap {
  readonly #handles = new Map<string, Handle>()
  readonly #unused = new Set<string>()

  /** @throws ERR_INVALID_INPUT when one deposit is named twice */
  constructor(wishes: readonly NameWish[] = []) {
    for (const { deposit, handle } of wishes) {
      if (this.#handles.has(deposit))
        throw invalidInput('names', `must name each deposit once: ${deposit}`)
      this.#handles.set(deposit, parseHandle(handle, 'names'))
      this.#unused.add(deposit)
    }
  }

  /** The name wished for; undefined where none is. */
  find({ uuid, handle }: Pick<Deposit, 'uuid' | 'handle'>): Handle | undefined {
    const key = [uuid, handle].find((name) => this.#handles.has(name))
    if (key === undefined) return undefined
    this.#unused.delete(key)
    return this.#handles.get(key)
  }

  /** Wishes that {@link find} was not asked for. */
  unused(): readonly NameWish[] {
    return [...this.#unused].flatMap((deposit) => {
      const handle = this.#handles.get(deposit)
      return handle === undefined ? [] : [{ deposit, handle }]
    })
  }
}
