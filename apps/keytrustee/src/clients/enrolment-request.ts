/** A certificate request and its companions, checked: what enrolment works on. */
import { createHash, createPublicKey } from 'node:crypto'
import { type Fingerprint, invalidInput, parseShortName } from '@keyhsm/core'
import { type BodyOf, decodeBase64, type enrolRoute, isRecipientSigned } from '@keyhsm/protocol'
import { parseCertificateRequest } from '@keyhsm/service'

export interface EnrolmentRequest {
  /** Its name or its uuid. */
  readonly organisationRef: string
  readonly auth: string | undefined
  /** One-time code of a client that comes with new keys. */
  readonly code: string | undefined
  readonly clientName: string
  /** SubjectPublicKeyInfo, DER, of the TLS key; its possession is proved. */
  readonly publicKeyDer: Buffer
  readonly keyFingerprint: Fingerprint
  readonly identityKey: string
  readonly recipient: string
  readonly recipientSignature: string | undefined
}

/** @throws ERR_INVALID_INPUT naming the field. */
export async function parseEnrolment(body: BodyOf<typeof enrolRoute>): Promise<EnrolmentRequest> {
  if (body.auth !== undefined && body.code !== undefined)
    throw invalidInput('code', 'cannot be combined with an auth secret')
  const { publicKeyDer } = await parseCertificateRequest(body.certificateRequest)
  return {
    organisationRef: parseShortName(body.organisation, 'organisation'),
    auth: body.auth,
    code: body.code,
    clientName: parseShortName(body.clientName, 'clientName'),
    publicKeyDer,
    keyFingerprint: createHash('sha256').update(publicKeyDer).digest('hex') as Fingerprint,
    identityKey: requireIdentityKey(body.identityKey),
    recipient: requireRecipient(body.recipient),
    recipientSignature: checkRecipientSignature(body),
  }
}

function requireIdentityKey(text: string): string {
  const key = decodeBase64(text, 'identityKey')
  try {
    const type = createPublicKey({ key, format: 'der', type: 'spki' }).asymmetricKeyType
    if (type === 'ed25519') return text
  } catch {
    // Falls through to the one answer for every unusable key.
  }
  throw invalidInput('identityKey', 'must be an Ed25519 public key (SPKI, base64)')
}

/** @throws ERR_INVALID_INPUT for one that the identity key did not make; clients of earlier releases send none. */
export function checkRecipientSignature(
  body: Pick<BodyOf<typeof enrolRoute>, 'identityKey' | 'recipient' | 'recipientSignature'>,
): string | undefined {
  const { identityKey, recipient, recipientSignature: text } = body
  if (text === undefined) return undefined
  const der = Buffer.from(requireIdentityKey(identityKey), 'base64')
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  if (isRecipientSigned(recipient, key, decodeBase64(text, 'recipientSignature'))) return text
  throw invalidInput('recipientSignature', 'must be made by the identity key over the recipient')
}

/** @see https://age-encryption.org/v1: recipients are Bech32, lower case */
function requireRecipient(text: string): string {
  if (!/^age1[0-9a-z]{10,}$/.test(text))
    throw invalidInput('recipient', 'must be an age recipient (age1…)')
  return text
}
