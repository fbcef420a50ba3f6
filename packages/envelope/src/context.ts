/**
 * What sealed bytes are bound to. The context is not stored in them: whoever opens says from where the bytes were read,
 * so a row moved to another organisation, swapped, renamed or rolled back does not open.
 */
import type { Handle, Uuid } from '@keyhsm/core'
import { ByteWriter } from './byte-writer.js'

export interface SealContext {
  /** The organisation's uuid, never its name: renaming an organisation changes nothing. */
  readonly organisation: Uuid
  readonly deposit: Uuid
  readonly handle: Handle
  /** Counted from 1. */
  readonly revision: number
}

const contextMagic = Buffer.from('KHCX', 'ascii')
const contextVersion = 1

/** The one canonical encoding. @see docs/formats/sealed-deposit.md#context */
export function formatContext(context: SealContext): Buffer {
  return new ByteWriter()
    .bytes(contextMagic)
    .uint8(contextVersion)
    .hex(uuidDigits(context.organisation), 16)
    .hex(uuidDigits(context.deposit), 16)
    .shortText(context.handle)
    .uint32(context.revision)
    .toBuffer()
}

function uuidDigits(uuid: Uuid): string {
  return uuid.replaceAll('-', '')
}
