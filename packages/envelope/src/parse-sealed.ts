/** Stored bytes → checked structure. Nothing is believed yet: only opening authenticates it. */
import { ByteReader } from './byte-reader.js'
import { parseHeader, type SealedHeader } from './header.js'
import { tagBytes } from './seal-content.js'

export interface SealedDeposit {
  readonly header: SealedHeader
  /** The header exactly as stored: authenticated as it is, never formatted again. */
  readonly headerBytes: Buffer
  readonly encrypted: Buffer
  readonly tag: Buffer
}

/** Views of `bytes`, which must not change meanwhile. @throws ERR_INTEGRITY when anything is cut, unknown or left over. */
export function parseSealed(bytes: Buffer): SealedDeposit {
  const reader = new ByteReader(bytes)
  const header = parseHeader(reader)
  const headerBytes = bytes.subarray(0, reader.offset)
  const encrypted = reader.bytes(reader.uint32('content length'), 'content')
  const tag = reader.bytes(tagBytes, 'tag')
  reader.end()
  return { header, headerBytes, encrypted, tag }
}
