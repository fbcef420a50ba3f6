import type { KeyKind } from '../kinds.js'
import type { CaseContext } from './case-context.js'
import type { HookName } from './hsm-under-test.js'

/** How many deposits share a key: the ways of using an HSM that sealing knows. */
export type Scope = 'deposit' | 'organisation' | 'service'

/**
 * How much of a backend's way with a key depends on its kind. `kind`: mechanisms, templates or attributes of the kind.
 * `halves`: only whether it is a pair or a secret key. A rule that says nothing does not depend on it: one kind proves it.
 */
export type VariesBy = 'kind' | 'halves'

/** One rule of the contract. Its name is stable: skips and the printed grid refer to it. */
export interface ConformanceCase {
  readonly name: string
  /** The kind of key it is about; absent when the rule does not depend on it. */
  readonly kind?: KeyKind
  readonly scope?: Scope
  /** Which kinds must be tried where not all are; see {@link VariesBy}. */
  readonly variesBy?: VariesBy
  readonly needs?: readonly HookName[]
  /** Returns when the backend keeps the rule. @throws ConformanceFailure, or whatever the backend throws wrongly. */
  run(context: CaseContext): Promise<void>
}
