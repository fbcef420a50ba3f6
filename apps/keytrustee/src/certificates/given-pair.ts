/** A certificate with its key, as an authority gave it to `cert replace`. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { invalidInput } from '@keyhsm/core'
import { isInItsTime, type KeyedCertificate, parseCertificates } from '@keyhsm/service'

export interface GivenPair {
  /** PEM; those above it may follow. */
  readonly certificate: string
  readonly key: string
  readonly passphrase?: string
}

/** The pair with its key in clear. @throws ERR_INVALID_INPUT naming the option of what cannot be used at `now` */
export function parseGivenPair(
  { certificate, key, passphrase }: GivenPair,
  now: Date,
): KeyedCertificate {
  const [leaf] = parseCertificates(certificate, '--cert')
  if (!leaf || leaf.ca)
    throw invalidInput('--cert', 'must begin with a certificate that is no CA’s')
  if (!isInItsTime(leaf, now)) throw invalidInput('--cert', 'must be valid now')
  const privateKey = parseKey(key, passphrase)
  if (!leaf.checkPrivateKey(privateKey)) throw invalidInput('--key', 'does not belong to --cert')
  return { certificate, privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}

/** @throws ERR_INVALID_INPUT */
export function parseKey(key: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) })
  } catch {
    throw invalidInput('--key', 'must be a private key in PEM, with its passphrase if it has one')
  }
}
