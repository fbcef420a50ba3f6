/** The contract on NSS softoken: another library, other return codes, OAEP with SHA-256. */
import { describeHsm } from '@keyhsm/hsm/conformance'
import { NssDatabase, nssLibrary, nssPassword } from './support/nss-database.js'
import { underTest } from './support/real-module.js'

describeHsm('nss', async () => {
  const token = await NssDatabase.make()
  return underTest({
    token,
    library: nssLibrary,
    pin: nssPassword,
    wrongPin: 'marked-wrong-password',
    plantDuplicate: ({ id, kind }) => token.plant(id, kind),
  })
})
