/** The contract on openCryptoki's software token: a third library, with a daemon between its processes. */
import { SecretBytes } from '@keyhsm/core'
import { describeHsm, type HsmUnderTest, skipHsm } from '@keyhsm/hsm/conformance'
import { connectPkcs11 } from '@keyhsm/hsm-pkcs11'
import { FaultyModule } from './support/faulty-module.js'
import { hostOf, resume } from './support/hurt-host.js'
import {
  OpencryptokiToken,
  opencryptokiLibrary,
  opencryptokiPin,
  whyNoOpencryptoki,
} from './support/opencryptoki-token.js'

async function setUp(): Promise<HsmUnderTest> {
  const token = await OpencryptokiToken.make()
  const faulty = await FaultyModule.build(token.directory, opencryptokiLibrary ?? '')
  const options = token.options({ library: faulty.library, env: faulty.env })
  const connect = () => connectPkcs11(options)
  return {
    connect,
    secrets: [opencryptokiPin],
    connectSecond: connect,
    removeOutside: (id) => token.remove(id),
    existsOutside: (id) => token.shows(id),
    plantDuplicate: async ({ id }) => {
      await token.tool('--keygen', '--key-type', 'AES:32', '--id', id, '--label', 'planted')
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
      const pin = SecretBytes.own(Buffer.from('wrong-78'))
      return {
        connect: () => connectPkcs11({ ...options, pin }),
        loginAttempts: () => faulty.countOf('C_Login'),
      }
    },
    skip: {
      kinds: {
        'ec-p256': 'openCryptoki 3.8 has no EC keys',
        'aes-256': 'openCryptoki 3.8 has neither AES-GCM nor a key wrap',
        'cmac-aes-256': 'openCryptoki 3.8 has no AES-CMAC',
      },
    },
    dispose: () => token.dispose(),
  }
}

const reason = whyNoOpencryptoki()
if (reason === undefined) describeHsm('opencryptoki', setUp, { pair: 'rsa-2048' })
else skipHsm('opencryptoki', reason)
