import { copyFile, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HsmUnderTest, WrongPin } from '../../src/conformance/hsm-under-test.js'
import { connectSoftToken } from '../../src/soft-token/connect-soft-token.js'
import { initialiseSoftToken } from '../../src/soft-token/initialise-soft-token.js'
import { readRefusedLogins } from '../../src/soft-token/login.js'

const pin = 'pin-of-the-soft-token'
const wrong = 'wrong-pin-of-the-soft-token'

export interface SoftTokenUnderTest extends HsmUnderTest {
  readonly directory: string
  readonly pin: string
  readonly wrong: string
  wrongPin(): Promise<WrongPin>
}

/** A fresh software token with every hook, done to its files as a person would. */
export async function softTokenUnderTest(): Promise<SoftTokenUnderTest> {
  const root = await mkdtemp(join(tmpdir(), 'soft-token-'))
  const directory = join(root, 'token')
  await initialiseSoftToken({ directory, label: 'conformance', pin, scryptCost: 2 ** 8 })
  const folderOf = (id: string) => join(directory, 'keys', id)
  const connect = () => connectSoftToken({ directory, pin })
  return {
    directory,
    pin,
    wrong,
    secrets: [pin, wrong],
    connect,
    connectSecond: connect,
    removeOutside: (id) => rm(folderOf(id), { recursive: true, force: true }),
    existsOutside: async (id) => (await stat(folderOf(id)).catch(() => undefined)) !== undefined,
    plantDuplicate: async ({ id }) => {
      const [file = ''] = await readdir(folderOf(id))
      await copyFile(join(folderOf(id), file), join(folderOf(id), 'fedcba9876543210.key'))
    },
    breakConnection: async () => {
      const aside = join(root, 'aside')
      await rename(directory, aside)
      return () => rename(aside, directory)
    },
    wrongPin: async () => {
      const before = (await readRefusedLogins(directory)).attempts
      return {
        connect: () => connectSoftToken({ directory, pin: wrong }),
        loginAttempts: async () => (await readRefusedLogins(directory)).attempts - before,
      }
    },
    skip: {
      hooks: {
        loseSession: 'a software token has no sessions',
        stall: 'a software token has no device that could hang',
      },
    },
    dispose: () => rm(root, { recursive: true, force: true }),
  }
}
