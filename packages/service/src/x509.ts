/**
 * The certificate library, loaded when it is first needed: that costs some 200 ms of CPU and 6 MiB, and most processes
 * never make a certificate. It needs the reflection polyfill loaded before it, and to be told which crypto.
 */
import { webcrypto } from 'node:crypto'
import type * as X509 from '@peculiar/x509'

export type { X509 }

let loading: Promise<typeof X509> | undefined

/** The library, ready to use; the same one each time. */
export function loadX509(): Promise<typeof X509> {
  loading ??= load()
  return loading
}

async function load(): Promise<typeof X509> {
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  x509.cryptoProvider.set(webcrypto)
  return x509
}
