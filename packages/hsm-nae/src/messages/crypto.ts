/** Messages that use a key, and random bytes. @see docs/protocols/nae-xml.md#crypto */
import type { NaeRequest } from '../connection/nae-link.js'
import type { NaeDialect, ValueKey } from '../dialect/dialect.js'
import { leaf } from '../xml/element.js'

export type CryptoAction = 'encrypt' | 'decrypt' | 'mac' | 'sign'

export interface CryptoCall {
  readonly action: CryptoAction
  readonly keyName: string
  readonly algorithm: ValueKey
  readonly iv?: Buffer
  readonly aad?: Buffer
  readonly tagBytes?: number
  /** Sent as it is; the caller wipes it. */
  readonly data: Buffer
}

/** One operation over one chunk of data. IV and associated data are hex, the tag's length is in bits. */
export function cryptoRequest({ names, values }: NaeDialect, call: CryptoCall): NaeRequest {
  const { iv, aad, tagBytes } = call
  return {
    request: 'cryptoRequest',
    response: 'cryptoResponse',
    children: [
      leaf(names.action, values[call.action]),
      leaf(names.keyName, call.keyName),
      leaf(names.algorithm, values[call.algorithm]),
      iv && leaf(names.iv, iv.toString('hex')),
      tagBytes === undefined ? undefined : leaf(names.tagLength, String(tagBytes * 8)),
      aad && leaf(names.aad, aad.toString('hex')),
    ],
    data: call.data,
  }
}

/** 1 to 131,072 random bytes. */
export function randGenRequest({ names }: NaeDialect, bytes: number): NaeRequest {
  return {
    request: 'randGenRequest',
    response: 'randGenResponse',
    children: [leaf(names.size, String(bytes))],
  }
}
