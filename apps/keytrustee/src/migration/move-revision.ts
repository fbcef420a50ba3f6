/** One revision in its new form, opened from it and compared before anybody relies on it. */
import { timingSafeEqual } from 'node:crypto'
import type { KeyHsmClient } from '@keyhsm/client'
import { DomainError, type HsmKeyId, type Uuid } from '@keyhsm/core'
import { translateOpening } from '../sealing/key-hsm-sealer.js'
import type { SealContext, SealedContent, Sealer } from '../sealing/sealer.js'
import type { Revision, ToMove } from '../store/store.js'
import type { Form, HsmForm } from './migration-order.js'

/** The ways to seal and open that a migration has. */
export interface MoveWays {
  readonly passThrough: Sealer
  /** Seals as new deposits are sealed, and opens whatever is sealed. */
  readonly hsm: Sealer
  readonly calls: Pick<KeyHsmClient, 'reseal'>
  /** Of the joined partition. */
  readonly canary: HsmForm['canary']
}

export interface Move extends ToMove {
  readonly requestId: Uuid
  readonly to: Form
  /** Under another HSM key than now. */
  readonly otherKey: boolean
}

/** How the revision is kept from now on, and where its bytes are. */
export type Moved = SealedContent & { readonly sealing: Revision['sealing'] }

/** @throws ERR_IRRETRIEVABLE, ERR_NOT_ALLOWED (trustees would have to approve), ERR_TOO_LARGE for the deposit; else what keeps all from moving. */
export function moveRevision(ways: MoveWays, move: Move): Promise<Moved> {
  const { to, revision } = move
  if (to.sealing === 'hsm' && revision.sealing === 'hsm') return reseal(ways, move, to)
  const { passThrough, hsm } = ways
  return to.sealing === 'hsm' ? carry(move, passThrough, hsm) : carry(move, hsm, passThrough)
}

/** Within Key HSM, which opens and compares the new form itself; the trustees stay who they are. */
async function reseal(ways: MoveWays, move: Move, to: HsmForm): Promise<Moved> {
  const { requestId, revision, otherKey } = move
  const { canary, scope, kind } = to
  const reply = await ways.calls
    .reseal({
      requestId,
      context: contextOf(move),
      sealed: revision.stored,
      canary: revision.canary ?? ways.canary,
      target: {
        canary,
        ...(scope === undefined ? {} : { scope }),
        ...(kind === undefined ? {} : { kind }),
        ...(otherKey ? { otherKey } : {}),
      },
    })
    .catch(translateOpening)
  const { sealed: stored, hsmKeyId, ...key } = reply
  return { ...key, sealing: 'hsm', stored, hsmKeyId: hsmKeyId as HsmKeyId, canary }
}

/** Into an HSM or out of it: what the client sealed passes through this server, as when it was stored. */
async function carry(move: Move, from: Sealer, to: Sealer): Promise<Moved> {
  const { requestId, revision, deposit } = move
  const context = contextOf(move)
  const { stored, canary } = revision
  const content = await from.open({ requestId, context, stored, canary })
  const { trustees } = deposit.policy ?? {}
  const sealed = await to.seal({ requestId, context, content, trustees })
  try {
    const again = await to.open({ requestId, context, ...sealed })
    if (again.length !== content.length || !timingSafeEqual(again, content))
      throw new DomainError('ERR_HSM_UNAVAILABLE', 'the new form has another content')
  } catch (error) {
    if (sealed.newKey && sealed.hsmKeyId !== undefined) {
      const key = { id: sealed.hsmKeyId, canary: sealed.canary }
      await to.revoke(requestId, key, 'discard').catch(() => undefined)
    }
    throw error
  }
  return { ...sealed, sealing: to.sealing }
}

function contextOf({ deposit, revision }: ToMove): SealContext {
  const { organisation, uuid, handle } = deposit
  return { organisation, deposit: uuid, handle, revision: revision.revision }
}
