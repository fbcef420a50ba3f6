/** As much of DER as printing a certificate needs; the certificate was parsed by OpenSSL before. */
export interface Tlv {
  readonly tag: number
  readonly content: Buffer
  /** What is inside a constructed value. */
  children(): Tlv[]
  objectIdentifier(): string
}

/** The first value in `bytes`. @throws RangeError when it is cut short. @see X.690 §8.1 */
export function readTlv(bytes: Buffer): Tlv {
  return readAt(bytes, 0).tlv
}

function readAt(bytes: Buffer, at: number): { tlv: Tlv; end: number } {
  const first = bytes.readUInt8(at + 1)
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes)
  const start = at + 2 + lengthBytes
  const end = start + length
  if (end > bytes.length) throw new RangeError('a DER value is cut short')
  const content = bytes.subarray(start, end)
  const tlv = {
    tag: bytes.readUInt8(at),
    content,
    children: () => readAll(content),
    objectIdentifier: () => readIdentifier(content),
  }
  return { tlv, end }
}

function readAll(bytes: Buffer): Tlv[] {
  const found: Tlv[] = []
  for (let at = 0; at < bytes.length; ) {
    const { tlv, end } = readAt(bytes, at)
    found.push(tlv)
    at = end
  }
  return found
}

/** @see X.690 §8.19 */
function readIdentifier(content: Buffer): string {
  const numbers: number[] = []
  let value = 0
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    numbers.push(value)
    value = 0
  }
  const [first = 0, ...rest] = numbers
  const top = Math.min(2, Math.floor(first / 40))
  return [top, first - top * 40, ...rest].join('.')
}
