import type { X509Certificate } from 'node:crypto'
import { publicKeyFingerprint } from '@keyhsm/service'

/**
 * The server key as the old product's `GET /?a=fingerprint` prints one: type and bits, a slash, the fingerprint
 * (`4096R/…` there for an RSA key; `EC256/…` for ours). The digits are SHA-256 over the SubjectPublicKeyInfo.
 * @see docs.cloudera.com "Verifying Cloudera Navigator Key Trustee Server Operations"
 */
export function formatKeyFingerprint(certificate: X509Certificate): string {
  const fingerprint = publicKeyFingerprint(certificate).toUpperCase()
  return `${describeKey(certificate)}/${fingerprint}`
}

const curveBits: Readonly<Record<string, number>> = {
  prime256v1: 256,
  secp384r1: 384,
  secp521r1: 521,
}

function describeKey({ publicKey }: X509Certificate): string {
  const { modulusLength, namedCurve = '' } = publicKey.asymmetricKeyDetails ?? {}
  if (publicKey.asymmetricKeyType === 'rsa') return `${modulusLength ?? 0}R`
  if (publicKey.asymmetricKeyType === 'ec') return `EC${curveBits[namedCurve] ?? namedCurve}`
  return (publicKey.asymmetricKeyType ?? 'unknown').toUpperCase()
}
