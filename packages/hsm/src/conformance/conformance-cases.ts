import { type WrappingKind, wrappingKinds } from '../kinds.js'
import { authenticatingCases } from './cases/authenticating.js'
import { destroyingCases } from './cases/destroying.js'
import { identityCases, specificationCases } from './cases/identity.js'
import { limitCases } from './cases/limits.js'
import { losingCases } from './cases/losing.js'
import { roundTripCases } from './cases/round-trips.js'
import { scopeCases } from './cases/scopes.js'
import { secrecyCases } from './cases/secrecy.js'
import { sharingCases } from './cases/sharing.js'
import { tamperingCases } from './cases/tampering.js'
import type { ConformanceCase } from './conformance-case.js'

/** The contract of every backend, rule by rule; run in this order on one token. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...specificationCases,
  ...wrappingKinds.flatMap((kind) => [
    ...roundTripCases(kind),
    ...tamperingCases(kind),
    ...identityCases(kind),
    ...destroyingCases(kind),
    ...scopeCases(kind),
  ]),
  ...authenticatingCases,
  ...limitCases,
  ...sharingCases,
  ...losingCases,
  ...secrecyCases,
]

/** The kinds that stand for all others in {@link leanCases}: a pair and a secret key, as far as a backend has them. */
export interface Representatives {
  readonly pair: WrappingKind
  readonly secret?: WrappingKind
}

/**
 * The cases that tell everything the full grid can tell about a backend whose way depends on a kind only where the case
 * says so: every rule once, and again for each kind that takes another way.
 */
export function leanCases({ pair, secret }: Representatives): readonly ConformanceCase[] {
  const wrapping: readonly string[] = wrappingKinds
  return conformanceCases.filter(({ kind, variesBy }) => {
    const always = kind === undefined || !wrapping.includes(kind) || variesBy === 'kind'
    return always || kind === pair || (variesBy === 'halves' && kind === secret)
  })
}
