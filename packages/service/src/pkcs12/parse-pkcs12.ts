/** Reading PKCS#12 files, whoever made them. A key leaves here encrypted, as it stands in its bag. */
import { X509Certificate } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import type { SafeBag } from 'pkijs'
import { attributeIds, bagIds, loadPkcs12Library, toArrayBuffer } from './library.js'
import type { TrustedEntry } from './format-pkcs12.js'

export interface Pkcs12Key extends TrustedEntry {
  /** PKCS#8, PEM, encrypted under the file's password. */
  readonly key: string
  /** PEM of the certificates above, nearest first; empty for a self-signed one. */
  readonly chain: readonly string[]
}

export interface Pkcs12Content {
  readonly keys: readonly Pkcs12Key[]
  /** Certificates that are trusted by themselves. */
  readonly trusted: readonly TrustedEntry[]
}

interface Found {
  readonly alias: string
  readonly keyId: string | undefined
  readonly isTrusted: boolean
  readonly certificate: X509Certificate
}

/** An encrypted content of the file, as opposed to a plain one. @see RFC 5652 §8 */
const encryptedData = '1.2.840.113549.1.7.6'

/**
 * @throws ERR_INVALID_INPUT when it is no PKCS#12 file, `password` is not its own, or its encryption is older than PBES2.
 */
export async function parsePkcs12(bytes: Uint8Array, password: string): Promise<Pkcs12Content> {
  const safeBags = await openBags(bytes, toArrayBuffer(Buffer.from(password, 'utf8')))
  const found = safeBags.filter(({ bagId }) => bagId === bagIds.certificate).map(toFound)
  const keys = safeBags
    .filter(({ bagId }) => bagId === bagIds.shroudedKey)
    .map((bag): Pkcs12Key => {
      const { alias, keyId } = readAttributes(bag)
      const own = found.find((one) => keyId !== undefined && one.keyId === keyId)
      if (own === undefined) throw refused('holds a key without its certificate')
      const { certificate } = own
      return {
        alias,
        certificate: toText(certificate),
        key: toPem('ENCRYPTED PRIVATE KEY', bag.bagValue.toSchema().toBER()),
        chain: chainAbove(certificate, found).map(toText),
      }
    })
  const trusted = found
    .filter(({ isTrusted }) => isTrusted)
    .map(({ alias, certificate }) => ({ alias, certificate: toText(certificate) }))
  return { keys, trusted }
}

async function openBags(bytes: Uint8Array, password: ArrayBuffer): Promise<readonly SafeBag[]> {
  const { pkijs, engine } = await loadPkcs12Library()
  const file = await Promise.resolve(toArrayBuffer(bytes))
    .then((der) => pkijs.PFX.fromBER(der))
    .catch((cause: unknown) => {
      throw refused('is no PKCS#12 file', cause)
    })
  try {
    await file.parseInternalValues({ password, checkIntegrity: true }, engine)
  } catch (cause) {
    throw refused('does not open with this password', cause)
  }
  const safe = file.parsedValue?.authenticatedSafe
  if (safe === undefined) throw refused('is no PKCS#12 file')
  try {
    const safeContents = safe.safeContents.map(({ contentType }) =>
      contentType === encryptedData ? { password } : {},
    )
    await safe.parseInternalValues({ safeContents })
  } catch (cause) {
    throw refused('is encrypted in an old way: export it again with openssl 3 or keytool', cause)
  }
  const contents = safe.parsedValue?.safeContents as readonly Contents[]
  return contents.flatMap(({ value }) => value.safeBags)
}

/** pkijs gives `any` here. */
interface Contents {
  readonly value: { readonly safeBags: readonly SafeBag[] }
}

function toFound(bag: SafeBag): Found {
  const { certValue } = bag.bagValue as unknown as { certValue: Asn1OctetString }
  const der = Buffer.from(certValue.getValue())
  return { ...readAttributes(bag), certificate: new X509Certificate(der) }
}

interface Asn1OctetString {
  getValue(): ArrayBuffer
}

function readAttributes({ bagAttributes }: SafeBag) {
  const valueOf = (type: string) => bagAttributes?.find((one) => one.type === type)?.values[0]
  const name = valueOf(attributeIds.friendlyName) as { getValue(): string } | undefined
  const id = valueOf(attributeIds.localKeyId) as Asn1OctetString | undefined
  return {
    alias: name?.getValue() ?? '',
    keyId: id && Buffer.from(id.getValue()).toString('hex'),
    isTrusted: valueOf(attributeIds.trustedKeyUsage) !== undefined,
  }
}

function chainAbove(leaf: X509Certificate, found: readonly Found[]): X509Certificate[] {
  const chain: X509Certificate[] = []
  for (let below = leaf; ; ) {
    const known = new Set([leaf, ...chain].map(({ fingerprint256 }) => fingerprint256))
    const above = found.find(
      ({ certificate }) => !known.has(certificate.fingerprint256) && below.checkIssued(certificate),
    )
    if (above === undefined) return chain
    chain.push(above.certificate)
    below = above.certificate
  }
}

function toText(certificate: X509Certificate): string {
  return toPem('CERTIFICATE', certificate.raw)
}

function toPem(label: string, der: ArrayBuffer | Uint8Array): string {
  const lines =
    Buffer.from(der as Uint8Array)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function refused(rule: string, cause?: unknown): DomainError {
  const detail = `the PKCS#12 file ${rule}`
  return new DomainError('ERR_INVALID_INPUT', detail, cause === undefined ? {} : { cause })
}
