/** What is wrong with bytes that should have been an NAE-XML message. The bytes themselves are never repeated. */
export type WireFault = 'tls' | 'http' | 'kmip' | 'not-xml' | 'forbidden-xml' | 'too-large'

/** The peer sent something that is no message of this protocol; the connection is of no more use. */
export class WireError extends Error {
  readonly fault: WireFault

  constructor(fault: WireFault, cause?: unknown) {
    super(`not an NAE-XML message: ${descriptions[fault]}`, cause === undefined ? {} : { cause })
    this.name = 'WireError'
    this.fault = fault
  }
}

const descriptions: Readonly<Record<WireFault, string>> = {
  tls: 'the peer speaks TLS',
  http: 'the peer speaks HTTP',
  kmip: 'the peer speaks KMIP',
  'not-xml': 'it is not well formed',
  'forbidden-xml': 'it holds a declaration, comment, CDATA section or processing instruction',
  'too-large': 'it is longer, deeper or has more elements than any message of this protocol',
}

/**
 * Which protocol a peer speaks whose first byte is not `<`.
 * @see RFC 8446 §5.1 (content types 20 to 23, then version 3); KMIP 1.0 §9.1 (every tag starts with 42)
 */
export function recogniseProtocol(first: number, second: number | undefined): WireFault {
  if (first >= 20 && first <= 23 && (second === undefined || second === 3)) return 'tls'
  if (first === 0x42) return 'kmip'
  return first === 0x48 ? 'http' : 'not-xml'
}
