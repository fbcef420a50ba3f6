import { installSchema } from '../../src/store/postgres/install-schema.js'
import { migrations, previousSchema } from '../../src/store/postgres/migrations/index.js'
import { openPostgresStore } from '../../src/store/postgres/postgres-store.js'
import { freshDatabase } from '../support/with-postgres.js'
import { describeStore } from './store-contract.js'

describeStore('PostgreSQL store', async () => {
  const { service } = await freshDatabase()
  return openPostgresStore({ address: service, cluster: 'private' })
})

describeStore(
  'PostgreSQL store on the schema of the release before',
  async () => {
    const { administrator, service } = await freshDatabase({ blank: true })
    await installSchema({
      address: administrator,
      serviceRole: service.user,
      migrations: migrations.filter(({ version }) => version <= previousSchema),
    })
    return openPostgresStore({ address: service, cluster: 'private' })
  },
  { lacksDirections: true },
)
