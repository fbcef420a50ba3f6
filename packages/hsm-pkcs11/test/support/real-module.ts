/** What the contract needs of any real PKCS#11 library: reached through a module that can be told to fail, and hurt from outside. */
import { SecretBytes } from '@keyhsm/core'
import type { HsmUnderTest } from '@keyhsm/hsm/conformance'
import { connectPkcs11 } from '@keyhsm/hsm-pkcs11'
import { FaultyModule } from './faulty-module.js'
import { hostOf, resume } from './hurt-host.js'

type Options = Parameters<typeof connectPkcs11>[0]

/** A token of a real library, with its own tools. */
export interface RealToken {
  readonly directory: string
  options(changes?: Partial<Options>): Options
  remove(id: string): Promise<void>
  shows(id: string): Promise<boolean>
  dispose(): Promise<void>
}

export interface RealModule {
  readonly token: RealToken
  readonly library: string | undefined
  /** Environment that the library needs besides. */
  readonly env?: Readonly<Record<string, string>>
  readonly pin: string
  readonly wrongPin: string
  readonly plantDuplicate: NonNullable<HsmUnderTest['plantDuplicate']>
}

/** The library of `module` under test. */
export async function underTest(module: RealModule): Promise<HsmUnderTest> {
  const { token } = module
  const faulty = await FaultyModule.build(token.directory, module.library ?? '')
  const options = token.options({ library: faulty.library, env: { ...module.env, ...faulty.env } })
  const connect = () => connectPkcs11(options)
  return {
    connect,
    secrets: [module.pin],
    connectSecond: connect,
    removeOutside: (id) => token.remove(id),
    existsOutside: (id) => token.shows(id),
    plantDuplicate: module.plantDuplicate,
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
      const pin = SecretBytes.own(Buffer.from(module.wrongPin))
      return {
        connect: () => connectPkcs11({ ...options, pin }),
        loginAttempts: () => faulty.countOf('C_Login'),
      }
    },
    dispose: () => token.dispose(),
  }
}
