import { makeSelfSigned } from '@keyhsm/service'
import { expect, test } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import type { MigrationDesk } from '../../src/migration/migration-desk.js'
import { planMigration } from '../../src/migration/plan-migration.js'
import { canary } from '../support/key-hsm-double.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'

test('a dry run out of the HSM says when the server may not keep deposits unsealed', async () => {
  const at = await makeSurroundings()
  await putDeposit(at.trustee, await addCaller(at), putRequest('one', 'x'))
  const backends = [{ name: 'default', canary, domain: 'domain' }]
  const partition = { canary, domain: 'domain', backends, scope: 'deposit', capacity: { used: 1 } }
  const serverCertificate = (
    await makeSelfSigned({ commonName: 'x', subjectAltNames: [], days: 1, usage: 'server' })
  ).certificate
  const joined = { canary, serverCertificate }
  const link = {
    current: () => ({ joined, calls: { describe: () => Promise.resolve(partition) } }),
  }
  const warningsWhen = async (passThroughAllowed: boolean) => {
    const desk = { trustee: at.trustee, link, sealing: { passThroughAllowed } }
    const wish = { to: 'pass-through' }
    return (await planMigration(desk as unknown as MigrationDesk, wish)).plan.warnings
  }
  expect(await warningsWhen(true)).toHaveLength(2)
  expect((await warningsWhen(false)).at(-1)).toContain('set keytrustee.sealing=pass-through')
})
