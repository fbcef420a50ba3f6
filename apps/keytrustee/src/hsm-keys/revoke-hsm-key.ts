import { DomainError, type HsmKeyId, type Uuid } from '@keyhsm/core'
import type { ReplyOf, revokeHsmKeyRoute } from '@keyhsm/protocol'
import { audited } from '../audited.js'
import type { KeyHsmLink } from '../sealing/key-hsm-link.js'
import { translate } from '../sealing/key-hsm-sealer.js'
import type { Trustee } from '../trustee.js'
import { withUses } from './list-hsm-keys.js'
import { cannotAsk, type ListingLink, readRealmKeys } from './read-keys.js'

/** What revoking needs of the link. */
export interface RevokingLink {
  readonly calls: ListingLink['calls'] & Pick<KeyHsmLink['calls'], 'revoke'>
}

export interface RevokeOrder {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
  /** A label or an id. */
  readonly key: string
}

/**
 * Makes an HSM key unusable for ever, in whichever HSM it is, and with it every deposit that is sealed under it.
 * @throws ERR_NOT_FOUND; ERR_CONFLICT when several keys carry the label; ERR_HSM_UNAVAILABLE when it may be in an HSM that
 * cannot be asked now.
 */
export async function revokeHsmKey(
  trustee: Pick<Trustee, 'store' | 'audit'>,
  link: RevokingLink,
  order: RevokeOrder,
): Promise<ReplyOf<typeof revokeHsmKeyRoute>> {
  const { canary, ...key } = await findOne(trustee, link, order.key)
  const { requestId, actor } = order
  const subjects = [
    { hsmKeyId: key.id, label: key.label, backend: key.backend, uses: key.uses.length },
  ]
  const outcome = await audited(
    trustee.audit,
    { operation: 'revoke', requestId, actor, subjects },
    'revoked',
    () => {
      const hsmKeyId = key.id as HsmKeyId
      return link.calls.revoke({ requestId, hsmKeyId, canary, reason: 'revoke' }).catch(translate)
    },
  )
  return { key, outcome }
}

async function findOne(trustee: Pick<Trustee, 'store'>, link: RevokingLink, name: string) {
  const { keys, unreachable } = await readRealmKeys(link)
  const matching = keys.filter(({ id, label }) => id === name || label === name)
  const [key, another] = await withUses(trustee, matching)
  if (!key && unreachable.length > 0) throw cannotAsk(unreachable)
  if (!key) throw new DomainError('ERR_NOT_FOUND', `this realm has no HSM key ${name}`)
  if (another)
    throw new DomainError('ERR_CONFLICT', `${matching.length} HSM keys carry the label ${name}`, {
      hints: matching.map(({ id, backend }) => `name one by its id: ${id} (in ${backend})`),
    })
  return key
}
