/** What a wrap algorithm that can authenticate extra bytes is given: bound in both layers where the device allows it. */
import { createHash } from 'node:crypto'
import type { HsmKeyId, Realm } from '@keyhsm/core'
import { ByteWriter } from './byte-writer.js'
import { formatContext, type SealContext } from './context.js'
import { type Trustees, writeTrustees } from './header.js'

export interface BoundHeader {
  readonly realm: Realm
  readonly domain: string
  readonly authKeyId: HsmKeyId
  readonly hsmKeyId: HsmKeyId
  readonly trustees: Trustees
}

const label = Buffer.from('keyhsm wrap binding v1', 'ascii')

/** SHA-256 over label, realm, domain, key ids, trustees and context: 32 bytes. @see docs/formats/sealed-deposit.md#wrap-binding */
export function formatWrapBinding(header: BoundHeader, context: SealContext): Buffer {
  const writer = new ByteWriter()
    .bytes(label)
    .shortText(header.realm)
    .hex(header.domain, 16)
    .hex(header.authKeyId, 16)
    .hex(header.hsmKeyId, 16)
  writeTrustees(writer, header.trustees)
  const bytes = writer.bytes(formatContext(context)).toBuffer()
  return createHash('sha256').update(bytes).digest()
}
