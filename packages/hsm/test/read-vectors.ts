import { readFileSync } from 'node:fs'
import { parseHsmKeyId } from '@keyhsm/core'
import type { WrapAlgorithm } from '../src/wrap-algorithms.js'

/** The frozen vectors of one algorithm, hex fields decoded. A field that the algorithm lacks is empty. */
export function readVectors(algorithm: WrapAlgorithm) {
  const file = new URL('./vectors/wrapped-key-v1.json', import.meta.url)
  const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as {
    vectors: Record<string, string>[]
  }
  const bytes = (text: string | undefined) => Buffer.from(text ?? '', 'hex')
  return vectors
    .filter((vector) => vector.algorithm === algorithm)
    .map((vector) => ({
      name: vector.name ?? '',
      keyId: parseHsmKeyId(vector.keyId ?? ''),
      publicKey: bytes(vector.publicKey),
      privateKey: bytes(vector.privateKey),
      secretKey: bytes(vector.secretKey),
      sharedSecret: bytes(vector.sharedSecret),
      binding: bytes(vector.binding),
      contentKey: bytes(vector.contentKey),
      wrapped: bytes(vector.wrapped),
    }))
}
