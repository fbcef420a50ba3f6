/** The contract on SoftHSM: a real library, a token of its own, and the distribution's tools to hurt it. */
import { type Hsm, wrappingKinds } from '@keyhsm/hsm'
import { describeHsm, type HsmUnderTest, type Repair } from '@keyhsm/hsm/conformance'
import { connectPkcs11, type Pkcs11Hsm } from '@keyhsm/hsm-pkcs11'
import { SecretBytes } from '@keyhsm/core'
import { FaultyModule } from './support/faulty-module.js'
import { softhsmLibrary, softhsmPin, SofthsmToken } from './support/softhsm-token.js'

const nothing: Repair = async () => undefined

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
      const secret = wrappingKinds.includes(kind as 'aes-256') && kind === 'aes-256'
      const made = secret
        ? ['--keygen', '--key-type', 'AES:32']
        : ['--keypairgen', '--key-type', 'EC:prime256v1']
      await token.tool(...made, '--id', id, '--label', 'planted')
    },
    loseSession: async () => {
      await faulty.fail('*', 'close-sessions')
      return nothing
    },
    breakConnection: async (hsm) => {
      process.kill(hostOf(hsm), 'SIGKILL')
      return nothing
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
        loginAttempts: async () =>
          (await faulty.calls()).filter((call) => call === 'C_Login').length,
      }
    },
    dispose: () => token.dispose(),
  }
})

function hostOf(hsm: Hsm): number {
  const { hostProcessId } = hsm as Pkcs11Hsm
  if (hostProcessId === undefined) throw new Error('there is no host process')
  return hostProcessId
}

function resume(host: number): void {
  try {
    process.kill(host, 'SIGCONT')
  } catch {
    // The watchdog was faster: it is dead and replaced.
  }
}
