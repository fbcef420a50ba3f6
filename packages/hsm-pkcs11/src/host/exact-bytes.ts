/**
 * Structured clone copies the whole ArrayBuffer behind a view: a 32-byte Buffer cut from a pool or from a message would
 * travel with its neighbours. These make every byte string exact before it is posted and a Buffer again afterwards.
 */

/** `value` with each view in it replaced by an exact copy; objects and arrays are copied as deep as they go. */
export function withExactBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    return value.byteLength === value.buffer.byteLength ? value : new Uint8Array(value)
  }
  return mapFields(value, withExactBytes)
}

/** The reverse on the other side: every Uint8Array as a Buffer on the same memory. */
export function withBuffers(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }
  return mapFields(value, withBuffers)
}

/** Overwrites every byte string in `value`: results that nobody takes any more. */
export function wipeBytes(value: unknown): void {
  if (value instanceof Uint8Array) value.fill(0)
  else if (typeof value === 'object' && value !== null) Object.values(value).forEach(wipeBytes)
}

function mapFields(value: unknown, map: (field: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(map)
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value)) copy[name] = map(field)
  return copy
}
