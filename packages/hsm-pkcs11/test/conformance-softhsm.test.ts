/** The contract on SoftHSM: a real library, a token of its own, and the distribution's tools to hurt it. */
import { SecretBytes } from '@keyhsm/core'
import { describeHsm, type HsmUnderTest } from '@keyhsm/hsm/conformance'
import { connectPkcs11 } from '@keyhsm/hsm-pkcs11'
import { FaultyModule } from './support/faulty-module.js'
import { hostOf, resume } from './support/hurt-host.js'
import { softhsmLibrary, softhsmPin, SofthsmToken } from './support/softhsm-token.js'

describeHsm('softhsm', async (): Promise<HsmUnderTest> => {
  const token = await SofthsmToken.make()
  const faulty = await FaultyModule.build(token.directory, softhsmLibrary ?? '')
  const options = token.options({ library: faulty.library, env: { ...token.env, ...faulty.env } })
  const connect = () => connectPkcs11(options)
  return {
    connect,
    secrets: [softhsmPin],
    connectSecond: connect,
    removeOutside: (id) => token.remove(id),
    existsOutside: (id) => token.shows(id),
    plantDuplicate: async ({ id, kind }) => {
      const made =
        kind === 'aes-256'
          ? ['--keygen', '--key-type', 'AES:32']
          : ['--keypairgen', '--key-type', 'EC:prime256v1']
      await token.tool(...made, '--id', id, '--label', 'planted')
    },
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
      const pin = SecretBytes.own(Buffer.from('marked-wrong-pin'))
      return {
        connect: () => connectPkcs11({ ...options, pin }),
        loginAttempts: () => faulty.countOf('C_Login'),
      }
    },
    dispose: () => token.dispose(),
  }
})
