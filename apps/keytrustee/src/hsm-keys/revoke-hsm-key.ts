import { DomainError, type HsmKeyId, type Uuid } from '@keyhsm/core'
import type { ReplyOf, revokeHsmKeyRoute } from '@keyhsm/protocol'
import { audited } from '../audited.js'
import type { KeyHsmLink } from '../sealing/key-hsm-link.js'
import { translate } from '../sealing/key-hsm-sealer.js'
import type { Trustee } from '../trustee.js'
import { type HsmKeyUse, readAllHsmKeys, withUses } from './list-hsm-keys.js'

/** What revoking needs of the link. */
export interface RevokingLink {
  readonly joined: Pick<KeyHsmLink['joined'], 'canary'>
  readonly calls: Pick<KeyHsmLink['calls'], 'listHsmKeys' | 'revoke'>
}

export interface RevokeOrder {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
  /** A label or an id. */
  readonly key: string
}

/**
 * Makes an HSM key unusable for ever, and with it every deposit that is sealed under it.
 * @throws ERR_NOT_FOUND; ERR_CONFLICT when several keys carry the label.
 */
export async function revokeHsmKey(
  trustee: Pick<Trustee, 'store' | 'audit'>,
  link: RevokingLink,
  order: RevokeOrder,
): Promise<ReplyOf<typeof revokeHsmKeyRoute>> {
  const key = await findOne(trustee, link, order.key)
  const { requestId, actor } = order
  const subjects = [{ hsmKeyId: key.id, label: key.label, uses: key.uses.length }]
  const outcome = await audited(
    trustee.audit,
    { operation: 'revoke', requestId, actor, subjects },
    'revoked',
    () => {
      const hsmKeyId = key.id as HsmKeyId
      const { canary } = link.joined
      return link.calls.revoke({ requestId, hsmKeyId, canary, reason: 'revoke' }).catch(translate)
    },
  )
  return { key, outcome }
}

async function findOne(
  trustee: Pick<Trustee, 'store'>,
  link: RevokingLink,
  name: string,
): Promise<HsmKeyUse> {
  const matching = (await readAllHsmKeys(link)).filter(
    ({ id, label }) => id === name || label === name,
  )
  const [key, another] = await withUses(trustee, matching)
  if (!key) throw new DomainError('ERR_NOT_FOUND', `this realm has no HSM key ${name}`)
  if (another)
    throw new DomainError('ERR_CONFLICT', `${matching.length} HSM keys carry the label ${name}`, {
      hints: matching.map(({ id }) => `name one by its id: ${id}`),
    })
  return key
}
