/** What is taken from a client's PKCS#10 request: its public key, once the client has proved to hold the private one. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { DomainError, invalidInput } from '@keyhsm/core'
import { loadX509, type X509 } from './x509.js'

/** A request with one RSA-4096 key is 1.7 KiB; nobody sends more than the wire's limit. */
const maxRequestCharacters = 8192
const curves: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
const rsaBits = { least: 2048, most: 4096 }

/**
 * Checks the request's signature (proof of possession) and gives its public key (SubjectPublicKeyInfo). Names and
 * extensions that it asks for are not even looked at.
 * @throws ERR_INVALID_INPUT naming `certificateRequest`.
 */
export async function parseCertificateRequest(pem: string): Promise<{ publicKeyDer: Buffer }> {
  const field = 'certificateRequest'
  if (pem.length > maxRequestCharacters)
    throw invalidInput(field, `must be at most ${maxRequestCharacters} characters`)
  const request = readRequest(await loadX509(), pem, field)
  const publicKeyDer = Buffer.from(request.publicKey.rawData)
  assertKeyAllowed(publicKeyDer, field)
  const proved = await request.verify().catch(() => false)
  if (!proved) throw invalidInput(field, 'must be signed with its own private key')
  return { publicKeyDer }
}

/** @throws ERR_INVALID_INPUT unless the key is EC P-256, P-384, P-521, RSA of 2048 to 4096 bits, or Ed25519. */
export function assertKeyAllowed(publicKeyDer: Buffer, field: string): void {
  const key = readPublicKey(publicKeyDer, field)
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  const allowed =
    key.asymmetricKeyType === 'ed25519' ||
    (key.asymmetricKeyType === 'ec' && curves.has(namedCurve)) ||
    (key.asymmetricKeyType === 'rsa' &&
      modulusLength >= rsaBits.least &&
      modulusLength <= rsaBits.most)
  if (!allowed) {
    throw invalidInput(
      field,
      'must have an EC (P-256, P-384, P-521), RSA (2048 to 4096 bits) or Ed25519 key',
    )
  }
}

function readRequest(x509: typeof X509, pem: string, field: string): X509.Pkcs10CertificateRequest {
  try {
    return new x509.Pkcs10CertificateRequest(pem)
  } catch (cause) {
    throw unreadable(field, 'must be a PKCS#10 certificate request in PEM form', cause)
  }
}

function readPublicKey(der: Buffer, field: string): KeyObject {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch (cause) {
    throw unreadable(field, 'must hold a public key that can be read', cause)
  }
}

function unreadable(field: string, rule: string, cause: unknown): DomainError {
  return new DomainError('ERR_INVALID_INPUT', `${field} ${rule}`, {
    cause,
    faults: [{ field, rule }],
  })
}
