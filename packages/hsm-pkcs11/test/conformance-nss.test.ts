/** The contract on NSS softoken: another library, other return codes, OAEP with SHA-256. */
import { SecretBytes } from '@keyhsm/core'
import { describeHsm, type HsmUnderTest } from '@keyhsm/hsm/conformance'
import { connectPkcs11 } from '@keyhsm/hsm-pkcs11'
import { FaultyModule } from './support/faulty-module.js'
import { hostOf, resume } from './support/hurt-host.js'
import { NssDatabase, nssLibrary, nssPassword } from './support/nss-database.js'

describeHsm('nss', async (): Promise<HsmUnderTest> => {
  const database = await NssDatabase.make()
  const faulty = await FaultyModule.build(database.directory, nssLibrary ?? '')
  const options = database.options({ library: faulty.library, env: faulty.env })
  const connect = () => connectPkcs11(options)
  return {
    connect,
    secrets: [nssPassword],
    connectSecond: connect,
    removeOutside: (id) => database.remove(id),
    existsOutside: (id) => database.shows(id),
    plantDuplicate: ({ id, kind }) => database.plant(id, kind),
    loseSession: async () => {
      await faulty.fail('*', 'close-sessions')
      return async () => faulty.heal()
    },
    breakConnection: async (hsm) => {
      process.kill(hostOf(hsm), 'SIGKILL')
      return async () => undefined
    },
    stall: async (hsm) => {
      const host = hostOf(hsm)
      process.kill(host, 'SIGSTOP')
      return async () => resume(host)
    },
    wrongPin: async () => {
      await faulty.forgetCalls()
      const pin = SecretBytes.own(Buffer.from('marked-wrong-password'))
      return {
        connect: () => connectPkcs11({ ...options, pin }),
        loginAttempts: () => faulty.countOf('C_Login'),
      }
    },
    dispose: () => database.dispose(),
  }
})
