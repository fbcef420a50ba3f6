/** The public half of a pair, asked of the appliance: the same for a key that is looked up and for one that is tried out. */
import { createPublicKey } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import { isPair, type KeyKind } from '@keyhsm/hsm'
import type { NaeLink } from '../connection/nae-link.js'
import type { NaeDialect } from '../dialect/dialect.js'
import { parsePublicKeyPem, publicKeyExportRequest } from '../messages/keys.js'
import type { NaeTimers } from '../options.js'

interface Asked {
  readonly dialect: NaeDialect
  readonly timers: Pick<NaeTimers, 'readMs'>
  readonly name: string
  readonly kind: KeyKind
}

/**
 * SubjectPublicKeyInfo, DER; undefined for a secret key, which has none.
 * @throws ERR_HSM_REFUSED when the appliance shows something else, NaeRefusal when it refuses
 */
export async function readPublicKey(link: NaeLink, asked: Asked): Promise<Buffer | undefined> {
  const { dialect, timers, name, kind } = asked
  if (!isPair(kind)) return undefined
  const { element } = await link.request(publicKeyExportRequest(dialect, name), timers.readMs)
  try {
    const key = createPublicKey(parsePublicKeyPem(element) ?? '')
    return key.export({ type: 'spki', format: 'der' })
  } catch (cause) {
    throw new DomainError('ERR_HSM_REFUSED', 'the HSM showed no usable public key', { cause })
  }
}
