/**
 * A keystore in Java's JKS format: private keys, each with its certificates. Its digest is checked before anything is read.
 * @see docs/formats/hadoop-keystore.md#jks
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import { readAll, readWhole, tags } from '../kerberos/der.js'
import { broken } from './broken.js'
import { ByteCursor } from './byte-cursor.js'
import { digestBytes, requireDigest } from './keystore-digest.js'

export const jksMagic = 0xfeedfeed
const version = 2
const [privateKey, trustedCertificate] = [1, 2]

/** A private key of the store, which only its password opens. */
export interface ProtectedKey {
  readonly alias: string
  /** PKCS#8 EncryptedPrivateKeyInfo, DER. */
  readonly encrypted: Buffer
  /** DER, its own first. */
  readonly certificates: readonly Buffer[]
}

/** @throws ERR_NOT_AUTHENTICATED for another password or a changed file; ERR_INTEGRITY for what is no JKS keystore. */
export function readJks(bytes: Buffer, password: string): readonly ProtectedKey[] {
  if (bytes.length < 12 + digestBytes || bytes.readUInt32BE() !== jksMagic)
    throw broken('it is not in JKS format')
  requireDigest(bytes, password, 'it is ssl.server.keystore.password')
  const cursor = new ByteCursor(bytes.subarray(0, -digestBytes))
  cursor.int()
  if (cursor.int() !== version) throw broken('its version is not known')
  const keys: ProtectedKey[] = []
  for (let left = cursor.int(); left > 0; left -= 1) {
    const tag = cursor.int()
    const alias = cursor.utf()
    cursor.long()
    if (tag === privateKey) {
      const encrypted = cursor.take(cursor.int())
      const certificates: Buffer[] = []
      for (let more = cursor.int(); more > 0; more -= 1) certificates.push(readCertificate(cursor))
      keys.push({ alias, encrypted, certificates })
    } else if (tag === trustedCertificate) readCertificate(cursor)
    else throw broken('it holds something else than keys and certificates')
  }
  if (cursor.left > 0) throw broken('something stands behind its entries')
  return keys
}

function readCertificate(cursor: ByteCursor): Buffer {
  if (cursor.utf() !== 'X.509') throw broken('a certificate is of a kind that is not known')
  return cursor.take(cursor.int())
}

/** The private key, PKCS#8 DER; wiped by the caller. @throws ERR_NOT_AUTHENTICATED when its password is another one. */
export function openJksKey({ alias, encrypted }: ProtectedKey, password: string): Buffer {
  const sealed = contentOf(encrypted)
  if (sealed.length < 2 * digestBytes) throw broken(`the key of ${alias} is cut`)
  const units = Buffer.from(password, 'utf16le').swap16()
  const digest = (bytes: Buffer) => createHash('sha1').update(units).update(bytes).digest()
  const plain = Buffer.from(sealed.subarray(digestBytes, -digestBytes))
  let stream = sealed.subarray(0, digestBytes)
  for (let at = 0; at < plain.length; at += 1) {
    if (at % digestBytes === 0) stream = digest(stream)
    plain[at] = (plain[at] ?? 0) ^ (stream[at % digestBytes] ?? 0)
  }
  if (timingSafeEqual(digest(plain), sealed.subarray(-digestBytes))) return plain
  plain.fill(0)
  throw new DomainError('ERR_NOT_AUTHENTICATED', `the key of ${alias} has another password`, {
    hints: ['it is ssl.server.keystore.keypassword where it is not that of the keystore'],
  })
}

/** The octets of EncryptedPrivateKeyInfo; its algorithm can only be the one of this format. */
function contentOf(encrypted: Buffer): Buffer {
  const octets = readAll(readWhole(encrypted, tags.sequence))[1]
  if (octets?.tag !== tags.octetString) throw broken('a key is not encrypted as keys are')
  return octets.content
}
