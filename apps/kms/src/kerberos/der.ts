/** DER as Kerberos and SPNEGO use it: definite lengths, tags of one byte. */
import { invalidInput } from '@keyhsm/core'

/** One value: its tag byte and what it holds. */
export interface DerValue {
  readonly tag: number
  readonly content: Buffer
}

export const tags = {
  integer: 0x02,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  generalString: 0x1b,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const

/** Reads one value at the start of `bytes`. @throws ERR_INVALID_INPUT for anything that is cut or not definite. */
export function readDer(bytes: Buffer): { readonly value: DerValue; readonly rest: Buffer } {
  const [tag, first] = [bytes[0], bytes[1]]
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw broken()
  const count = first < 0x80 ? 0 : first & 0x7f
  if (first === 0x80 || count > 4 || bytes.length < 2 + count) throw broken()
  const length = count === 0 ? first : bytes.readUIntBE(2, count)
  const end = 2 + count + length
  if (end > bytes.length) throw broken()
  return { value: { tag, content: bytes.subarray(2 + count, end) }, rest: bytes.subarray(end) }
}

/** The one value that `bytes` are. @throws ERR_INVALID_INPUT when it has another tag or something follows. */
export function readWhole(bytes: Buffer, tag: number): Buffer {
  const { value, rest } = readDer(bytes)
  if (value.tag !== tag || rest.length > 0) throw broken()
  return value.content
}

/** The values one after the other. */
export function readAll(bytes: Buffer): readonly DerValue[] {
  const values: DerValue[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const read = readDer(rest)
    values.push(read.value)
    rest = read.rest
  }
  return values
}

/** The members of a SEQUENCE with context tags: number → the value inside. */
export function readFields(sequence: Buffer): ReadonlyMap<number, Buffer> {
  const fields = new Map<number, Buffer>()
  for (const { tag, content } of readAll(sequence)) {
    if ((tag & 0xe0) !== 0xa0 || fields.has(tag & 0x1f)) throw broken()
    fields.set(tag & 0x1f, content)
  }
  return fields
}

/** A member that must be there, as the value of this tag. */
export function field(fields: ReadonlyMap<number, Buffer>, number: number, tag: number): Buffer {
  const content = fields.get(number)
  if (content === undefined) throw broken()
  return readWhole(content, tag)
}

/** A member that may be missing. */
export function optionalField(
  fields: ReadonlyMap<number, Buffer>,
  number: number,
  tag: number,
): Buffer | undefined {
  const content = fields.get(number)
  return content === undefined ? undefined : readWhole(content, tag)
}

/** A whole number of at most 6 bytes. */
export function toNumber(content: Buffer): number {
  if (content.length === 0 || content.length > 6) throw broken()
  return content.readIntBE(0, content.length)
}

/** `20261122042406Z` */
export function toTime(content: Buffer): Date {
  const text = content.toString('latin1')
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (!match) throw broken()
  const [, year, month, day, hour, minute, second] = match.map(Number)
  return new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second))
}

/** One text for all: what exactly is wrong with a token helps only whoever made it. */
export function broken(): Error {
  return invalidInput('token', 'is not a Kerberos token')
}
