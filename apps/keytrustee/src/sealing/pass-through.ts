/**
 * Storing the client's bytes as they are, before the server is joined to a Key HSM. They are framed with a MAC under
 * `grant.key` over content and context, so that a database administrator can neither forge nor move them:
 * `KTPT` ‖ 01 ‖ HMAC-SHA-256 (32 bytes) ‖ content.
 */
import { timingSafeEqual } from 'node:crypto'
import { DomainError, irretrievable, toDomainError } from '@keyhsm/core'
import type { Grants } from '../grants.js'
import type { SealContext, Sealer } from './sealer.js'

const header = Buffer.from('KTPT\x01', 'latin1')
const macBytes = 32

export function createPassThroughSealer(grants: Grants): Sealer {
  const macOf = (context: SealContext, content: Buffer): Buffer => {
    const { organisation, deposit, handle, revision } = context
    return grants.mac('pass-through', [organisation, deposit, handle, revision, content])
  }
  const seal: Sealer['seal'] = async ({ context, content, trustees }) => {
    if (trustees !== undefined)
      throw new DomainError('ERR_NOT_JOINED', 'trustees need a Key HSM that verifies them')
    return {
      stored: Buffer.concat([header, macOf(context, content), content]),
      hsmKeyId: undefined,
      hsmKeyLabel: undefined,
      scope: undefined,
      kind: undefined,
      canary: undefined,
      newKey: false,
    }
  }
  return {
    sealing: 'pass-through',
    makesKey: () => false,
    seal,
    sealAll: ({ deposits, ...shared }) =>
      Promise.all(deposits.map((one) => seal({ ...shared, ...one }).catch(toDomainError))),
    async open({ context, stored }) {
      const content = stored.subarray(header.length + macBytes)
      const framed = stored.length >= header.length + macBytes
      if (!framed || !stored.subarray(0, header.length).equals(header)) throw irretrievable()
      const mac = stored.subarray(header.length, header.length + macBytes)
      if (!timingSafeEqual(mac, macOf(context, content))) throw irretrievable()
      return content
    },
    revoke: () => Promise.resolve(),
  }
}
