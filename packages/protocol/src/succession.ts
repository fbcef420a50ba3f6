/**
 * How a server's certificate is followed by another: the key of the one before signs that the next one is the same server. So a
 * client that pinned the one before finds its way by itself, however long it was away. @see docs/formats/succession.md
 */
import { createHash, type KeyObject, sign, verify, X509Certificate } from 'node:crypto'
import type { Fingerprint } from '@keyhsm/core'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { defineRoute } from './route.js'
import { FingerprintField, InstantField, NoFields } from './schemas.js'

export const SuccessionField = Type.Object(
  {
    /** SHA-256 over the DER of the certificate that was in use before. */
    predecessor: FingerprintField,
    /** PEM of the one that follows. */
    certificate: Type.String({ maxLength: 16_384 }),
    signedAt: InstantField,
    /** Base64, by the predecessor's key over {@link successionMessage}. */
    signature: Type.String({ maxLength: 2048 }),
  },
  { additionalProperties: false },
)

export type Succession = Static<typeof SuccessionField>

/** Most that a server keeps and a client reads: one a year for longer than any client is away. */
export const maxSuccessions = 32

export const successionsRoute = defineRoute({
  method: 'GET',
  path: '/v1/certificate-successions',
  // Whoever asks cannot trust this server yet; each statement proves itself.
  access: 'anyone',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  reply: Type.Object({
    successions: Type.Array(SuccessionField, { maxItems: maxSuccessions }),
  }),
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 5_000,
  summary: 'show how the certificate of this server followed those before',
})

const validator = Compile(successionsRoute.reply)

/** The list in the form of the route's reply; undefined when `text` is none. */
export function parseSuccessions(text: string): readonly Succession[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return validator.Check(value) ? value.successions : undefined
  } catch {
    return undefined
  }
}

/** States that `next` follows `before`. `key` is the private key of `before`. */
export function signSuccession(o: {
  readonly before: X509Certificate
  readonly key: KeyObject
  readonly next: X509Certificate
  readonly now: Date
}): Succession {
  const signedAt = o.now.toISOString()
  const message = successionMessage(sha256(o.before), sha256(o.next), signedAt)
  return {
    predecessor: sha256(o.before),
    certificate: o.next.toString(),
    signedAt,
    signature: sign(digestOf(o.key), message, o.key).toString('base64'),
  }
}

/**
 * `pinned` and every certificate that follows one of them by statements that hold. A statement counts if it was made within the
 * lifetime of the certificate whose key signed it; one that is no leaf, or does not hold, is passed over.
 */
export function followSuccessions(
  pinned: readonly X509Certificate[],
  successions: readonly Succession[],
): readonly X509Certificate[] {
  const known = new Map(pinned.map((certificate) => [sha256(certificate), certificate]))
  // Each round finds at least one, or is the last.
  for (let before = -1; before !== known.size; ) {
    before = known.size
    for (const succession of successions) {
      const predecessor = known.get(succession.predecessor as Fingerprint)
      const next = predecessor && readSuccessor(predecessor, succession)
      if (next) known.set(sha256(next), next)
    }
  }
  return [...known.values()]
}

function readSuccessor(
  before: X509Certificate,
  { certificate, signedAt, signature }: Succession,
): X509Certificate | undefined {
  try {
    const next = new X509Certificate(certificate)
    const at = Date.parse(signedAt)
    const inTime = Date.parse(before.validFrom) <= at && at <= Date.parse(before.validTo)
    if (before.ca || next.ca || !inTime) return undefined
    const message = successionMessage(sha256(before), sha256(next), signedAt)
    const { publicKey } = before
    const bytes = Buffer.from(signature, 'base64')
    return verify(digestOf(publicKey), message, publicKey, bytes) ? next : undefined
  } catch {
    return undefined
  }
}

/** What is signed: three lines of ASCII after the name of the format. */
function successionMessage(before: string, next: string, signedAt: string): Buffer {
  return Buffer.from(`keytrustee certificate succession v1\n${before}\n${next}\n${signedAt}\n`)
}

/** EdDSA hashes by itself. */
function digestOf({ asymmetricKeyType }: KeyObject): string | null {
  return asymmetricKeyType === 'ed25519' || asymmetricKeyType === 'ed448' ? null : 'sha256'
}

function sha256({ raw }: X509Certificate): Fingerprint {
  return createHash('sha256').update(raw).digest('hex') as Fingerprint
}
