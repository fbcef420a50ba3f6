/**
 * Writing PKCS#12 files that `openssl` and `keytool` read: a key with its certificate and chain, or certificates that are
 * trusted. AES-256-CBC and HMAC-SHA-256 throughout.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Attribute, SafeBag } from 'pkijs'
import { attributeIds, bagIds, loadPkcs12Library, type Pkcs12Library } from './library.js'
import { toArrayBuffer } from './library.js'

/** A key that goes into a file; PEM throughout. */
export interface PlainKey {
  readonly alias: string
  /** Encrypted where there is a `passphrase`. */
  readonly privateKey: string
  readonly passphrase?: string
  readonly certificate: string
  /** The certificates above it, nearest first. */
  readonly chain?: readonly string[]
}

/** A certificate without a key. */
export interface TrustedEntry {
  readonly alias: string
  /** PEM. */
  readonly certificate: string
}

/** As `keytool` of Java 17 has it: the usual password is 256 random bits. */
const iterations = 10_000
/** Ends the lists of purposes for which a certificate is trusted: any. */
const anyPurpose = '2.5.29.37.0'

/** The bytes of a file with these entries, under `password`. */
export async function formatPkcs12(
  { keys = [], trusted = [] }: { keys?: readonly PlainKey[]; trusted?: readonly TrustedEntry[] },
  password: string,
): Promise<Buffer> {
  const library = await loadPkcs12Library()
  const { pkijs, engine } = library
  const encryption = {
    password: toArrayBuffer(Buffer.from(password, 'utf8')),
    contentEncryptionAlgorithm: { name: 'AES-CBC', length: 256 },
    hmacHashAlgorithm: 'SHA-256',
    iterationCount: iterations,
  }
  const keyBags: SafeBag[] = []
  for (const [index, key] of keys.entries()) {
    keyBags.push(await toKeyBag(library, key, { index, encryption }))
  }
  const certificateBags = [
    ...keys.flatMap((key, index) => toChainBags(library, key, index)),
    ...trusted.map((entry) => toTrustedBag(library, entry)),
  ]
  const safeContents = [
    { privacyMode: 0, value: new pkijs.SafeContents({ safeBags: keyBags }) },
    { privacyMode: 1, value: new pkijs.SafeContents({ safeBags: certificateBags }) },
  ]
  const authenticatedSafe = new pkijs.AuthenticatedSafe({ parsedValue: { safeContents } })
  await authenticatedSafe.makeInternalValues({ safeContents: [{}, encryption] })
  const file = new pkijs.PFX({ parsedValue: { integrityMode: 0, authenticatedSafe } })
  const hashes = { pbkdf2HashAlgorithm: 'SHA-256', hmacHashAlgorithm: 'SHA-256' }
  await file.makeInternalValues({ password: encryption.password, iterations, ...hashes }, engine)
  return Buffer.from(file.toSchema().toBER())
}

async function toKeyBag(
  library: Pkcs12Library,
  { alias, privateKey, passphrase }: PlainKey,
  at: { index: number; encryption: Parameters<ShroudedBag['makeInternalValues']>[0] },
): Promise<SafeBag> {
  const { pkijs } = library
  const unlock = passphrase === undefined ? {} : { passphrase }
  const der = createPrivateKey({ key: privateKey, ...unlock }).export({
    type: 'pkcs8',
    format: 'der',
  })
  const parsedValue = pkijs.PrivateKeyInfo.fromBER(toArrayBuffer(der))
  der.fill(0)
  const bagValue = new pkijs.PKCS8ShroudedKeyBag({ parsedValue })
  await bagValue.makeInternalValues(at.encryption)
  const bagAttributes = [nameOf(library, alias), keyIdOf(library, at.index)]
  return new pkijs.SafeBag({ bagId: bagIds.shroudedKey, bagValue, bagAttributes })
}

type ShroudedBag = InstanceType<Pkcs12Library['pkijs']['PKCS8ShroudedKeyBag']>

/** The own certificate under the key's name and id, the chain without. */
function toChainBags(library: Pkcs12Library, key: PlainKey, index: number): SafeBag[] {
  const own = [nameOf(library, key.alias), keyIdOf(library, index)]
  return [
    toCertificateBag(library, key.certificate, own),
    ...(key.chain ?? []).map((pem) => toCertificateBag(library, pem, [])),
  ]
}

function toTrustedBag(library: Pkcs12Library, { alias, certificate }: TrustedEntry): SafeBag {
  const { pkijs, asn1js } = library
  const usage = new pkijs.Attribute({
    type: attributeIds.trustedKeyUsage,
    values: [new asn1js.ObjectIdentifier({ value: anyPurpose })],
  })
  return toCertificateBag(library, certificate, [nameOf(library, alias), usage])
}

function toCertificateBag(
  { pkijs }: Pkcs12Library,
  pem: string,
  bagAttributes: Attribute[],
): SafeBag {
  const parsedValue = pkijs.Certificate.fromBER(toArrayBuffer(new X509Certificate(pem).raw))
  return new pkijs.SafeBag({
    bagId: bagIds.certificate,
    bagValue: new pkijs.CertBag({ parsedValue }),
    ...(bagAttributes.length === 0 ? {} : { bagAttributes }),
  })
}

function nameOf({ pkijs, asn1js }: Pkcs12Library, value: string): Attribute {
  const values = [new asn1js.BmpString({ value })]
  return new pkijs.Attribute({ type: attributeIds.friendlyName, values })
}

function keyIdOf({ pkijs, asn1js }: Pkcs12Library, index: number): Attribute {
  const values = [new asn1js.OctetString({ valueHex: Uint8Array.of(index + 1).buffer })]
  return new pkijs.Attribute({ type: attributeIds.localKeyId, values })
}
