/**
 * `keystore/truststore.p12`: the trusted certificates once more, for `keytool` and other programs, under the keystore's
 * password. What counts is `truststore/`, which also knows the realms; this file is written anew after every change and never
 * read.
 */
import { join } from 'node:path'
import { hasCode } from '@keyhsm/core'
import { formatPkcs12, writeFileAtomically } from '@keyhsm/service'
import { readKeystore } from '../keystore.js'
import type { Paths } from '../paths.js'
import { readTrustList } from './trust-list.js'

/** @returns false when the keystore's password is out of reach (a systemd credential of the service): then nothing is written. */
export async function exportTruststore(
  paths: Pick<Paths, 'keystore' | 'truststore'>,
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  const keystore = await readKeystore(paths.keystore, env).catch((error: unknown) => {
    if (hasCode(error, 'ERR_SETTINGS')) return undefined
    throw error
  })
  if (keystore === undefined) return false
  const { certificates } = await readTrustList(paths.truststore)
  const trusted = certificates.map(({ realm, fingerprint, certificate }) => ({
    alias: `${realm}-${fingerprint.slice(0, 16)}`,
    certificate: certificate.toString(),
  }))
  const bytes = await formatPkcs12({ trusted }, keystore.passphrase)
  await writeFileAtomically(join(paths.keystore, 'truststore.p12'), bytes, 0o600)
  return true
}
