import { wrappingKinds } from '../hsm.js'
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
