import type { KeyKind } from '../hsm.js'
import type { CaseContext } from './case-context.js'
import type { HookName } from './hsm-under-test.js'

/** How many deposits share a key: the ways of using an HSM that sealing knows. */
export type Scope = 'deposit' | 'organisation' | 'service'

/** One rule of the contract. Its name is stable: skips and the printed grid refer to it. */
export interface ConformanceCase {
  readonly name: string
  /** The kind of key it is about; absent when the rule does not depend on it. */
  readonly kind?: KeyKind
  readonly scope?: Scope
  readonly needs?: readonly HookName[]
  /** Returns when the backend keeps the rule. @throws ConformanceFailure, or whatever the backend throws wrongly. */
  run(context: CaseContext): Promise<void>
}
