/**
 * The seal of a PKCS#12 file, computed by OpenSSL. pkijs hashes in JavaScript: its 10,000 rounds were half of what reading
 * a keystore cost every service and every command that does it.
 * @see RFC 7292 appendix B
 */
import { createHmac, hash, timingSafeEqual, webcrypto } from 'node:crypto'
import type * as Pkijs from 'pkijs'

type Engine = Pkijs.CryptoEngine
type Platform = ConstructorParameters<typeof Pkijs.CryptoEngine>[0]['crypto']
type Stamp = Parameters<Engine['stampDataWithPassword']>[0]
type Check = Parameters<Engine['verifyDataStampedWithPassword']>[0]
type Sealed = Pick<Stamp, 'hashAlgorithm' | 'password' | 'salt' | 'iterationCount'>

/** Names of node:crypto, and the block length in bytes: `v` of appendix B.2. */
const hashes: Readonly<Record<string, { readonly name: string; readonly block: number }>> = {
  'SHA-1': { name: 'sha1', block: 64 },
  'SHA-256': { name: 'sha256', block: 64 },
  'SHA-384': { name: 'sha384', block: 128 },
  'SHA-512': { name: 'sha512', block: 128 },
}
/** ID of a key for a MAC, appendix B.3. */
const macKeyId = 3

/** The engine for `parseInternalValues` and `makeInternalValues`; what is not the file's seal stays pkijs's own. */
export function makeMacEngine({ CryptoEngine }: typeof Pkijs): Engine {
  class MacEngine extends CryptoEngine {
    override stampDataWithPassword(stamp: Stamp): Promise<ArrayBuffer> {
      return Promise.resolve(Uint8Array.from(macOf(stamp, stamp.contentToStamp)).buffer)
    }

    override verifyDataStampedWithPassword(check: Check): Promise<boolean> {
      const expected = macOf(check, check.contentToVerify)
      const given = Buffer.from(check.signatureToVerify)
      return Promise.resolve(given.length === expected.length && timingSafeEqual(given, expected))
    }
  }
  return new MacEngine({ name: 'keyhsm', crypto: webcrypto as Platform })
}

/** A key as long as the hash is one round of appendix B.2: the rest of it lengthens shorter ones. */
function macOf({ hashAlgorithm, password, salt, iterationCount }: Sealed, text: ArrayBuffer) {
  const known = hashes[hashAlgorithm.toUpperCase()]
  if (known === undefined) throw new Error(`the MAC's hash ${hashAlgorithm} is not known`)
  const { name, block } = known
  const blocks = [Buffer.from(salt), toBmpString(password)].map((one) => fillBlocks(one, block))
  let key = Buffer.concat([Buffer.alloc(block, macKeyId), ...blocks])
  for (let round = 0; round < iterationCount; round += 1) key = hash(name, key, 'buffer')
  return createHmac(name, key).update(Buffer.from(text)).digest()
}

/** UTF-16, high byte first, with an ending NUL: appendix B.1. */
function toBmpString(password: ArrayBuffer): Buffer {
  return Buffer.from(`${Buffer.from(password).toString('utf8')}\0`, 'utf16le').swap16()
}

function fillBlocks(bytes: Buffer, block: number): Buffer {
  return Buffer.alloc(block * Math.ceil(bytes.length / block), bytes)
}
