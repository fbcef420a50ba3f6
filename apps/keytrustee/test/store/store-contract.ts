/** What every {@link Store} must do, whatever is underneath. The parts stand in `contract/`. */
import { afterAll, beforeAll, describe } from 'vitest'
import type { Store } from '../../src/store/store.js'
import { describeDeposits } from './contract/deposits.js'
import { describeDirections, describeNoDirections } from './contract/directions.js'
import { describeIdentities } from './contract/identities.js'
import { describeMigrations } from './contract/migrations.js'
import { describePolicies } from './contract/policies.js'
import { describePurges } from './contract/purges.js'
import { describePuts } from './contract/puts.js'
import { describeQuotas } from './contract/quotas.js'
import { describeRequests } from './contract/requests.js'
import { describeTransactions } from './contract/transactions.js'

/** Runs the whole contract against the store that `open` gives: one store, rows made fresh by each test. */
export function describeStore(
  name: string,
  open: () => Promise<Store>,
  o: { readonly lacksDirections?: true } = {},
): void {
  describe(name, () => {
    let store: Store
    beforeAll(async () => {
      store = await open()
    }, 60_000)
    afterAll(() => store.close())
    const parts = [
      describeIdentities,
      describeDeposits,
      describePuts,
      describePurges,
      describeMigrations,
      o.lacksDirections ? describeNoDirections : describeDirections,
      describePolicies,
      describeRequests,
      describeQuotas,
      describeTransactions,
    ]
    for (const part of parts) part(() => store)
  })
}
