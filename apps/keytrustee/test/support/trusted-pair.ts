/** A real Key HSM for the tests of a file, and a pair that it trusts: servers with a copy of it are of one realm. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { initialise } from '../../src/initialise.js'
import { type Paths, pathsIn } from '../../src/paths.js'
import { type RealKeyHsm, startKeyHsm } from './real-key-hsm.js'

const startMs = 120_000

type PairFile = 'keyHsmClientCertificate' | 'keyHsmClientKey' | 'serverCertificate' | 'serverKey'

/** There from `beforeAll` until `afterAll`. */
export interface TrustedPair {
  readonly keyHsm: RealKeyHsm
  /** The home that both trusted pairs are in: the one made for Key HSM, and the server's own. */
  readonly trusted: Paths
  /** Gives another home the pair made for Key HSM, or the files that are named. */
  copyTo(paths: Paths, files?: readonly PairFile[]): Promise<void>
}

const pairForKeyHsm = ['keyHsmClientCertificate', 'keyHsmClientKey'] as const

/** Starts Key HSM before the tests of this file, and removes it after them. */
export function useTrustedPair(): TrustedPair {
  let keyHsm: RealKeyHsm
  let trusted: Paths
  beforeAll(async () => {
    keyHsm = await startKeyHsm()
    trusted = pathsIn(await mkdtemp(join(tmpdir(), 'kt-trusted-')))
    await initialise(trusted, { externalAddresses: [] })
    await keyHsm.trust(trusted.keyHsmClientCertificate)
  }, startMs)
  afterAll(async () => {
    await keyHsm.remove()
    await rm(trusted.root, { recursive: true, force: true })
  }, startMs)
  return {
    get keyHsm() {
      return keyHsm
    },
    get trusted() {
      return trusted
    },
    async copyTo(paths, files = pairForKeyHsm) {
      for (const name of files) await copyFile(trusted[name], paths[name])
    },
  }
}
