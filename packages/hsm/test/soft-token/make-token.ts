import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { connectSoftToken } from '../../src/soft-token/connect-soft-token.js'
import { initialiseSoftToken } from '../../src/soft-token/initialise-soft-token.js'

export const testPin = 'pin-of-the-test-token'

/** A scrypt cost that takes no time; the real one is tested once. */
export const fastScrypt = 2 ** 8

/** A fresh token in a temporary directory, removed when the test ends. */
export async function makeToken() {
  const root = await mkdtemp(join(tmpdir(), 'soft-token-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const directory = join(root, 'token')
  const options = { directory, label: 'test', pin: testPin, scryptCost: fastScrypt }
  const { serial } = await initialiseSoftToken(options)
  return { directory, serial, connect: (pin = testPin) => connectSoftToken({ directory, pin }) }
}
