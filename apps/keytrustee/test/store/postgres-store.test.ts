import { openPostgresStore } from '../../src/store/postgres/postgres-store.js'
import { freshDatabase } from '../support/with-postgres.js'
import { describeStore } from './store-contract.js'

describeStore('PostgreSQL store', async () => {
  const { service } = await freshDatabase()
  return openPostgresStore({ address: service, cluster: 'private' })
})
