/** Revisions in their new forms, opened from them and compared before anybody relies on them. */
import { timingSafeEqual } from 'node:crypto'
import type { KeyHsmClient, SealedDeposit, ToMove as WantedMove } from '@keyhsm/client'
import { DomainError, type HsmKeyId, toDomainError, type Uuid } from '@keyhsm/core'
import { toKeys, translateOpening } from '../sealing/key-hsm-sealer.js'
import type { SealContext, SealedContent, Sealer } from '../sealing/sealer.js'
import type { Revision, ToMove } from '../store/store.js'
import type { HsmForm } from './migration-order.js'

/** The ways to seal and open that a migration has. */
export interface MoveWays {
  readonly passThrough: Sealer
  /** Seals as new deposits are sealed, and opens whatever is sealed. */
  readonly hsm: Sealer
  readonly calls: Pick<KeyHsmClient, 'move'>
  /** Of the joined partition. */
  readonly canary: HsmForm['canary']
}

/** How the revision is kept from now on, and where its bytes are. */
export type Moved = SealedContent & { readonly sealing: Revision['sealing'] }

export interface IntoHsm {
  readonly requestId: Uuid
  readonly to: HsmForm
  /** Under another HSM key than now. */
  readonly otherKey: boolean
}

/**
 * Within Key HSM, which opens each new form itself and compares; the trustees stay who they are. What became of each, in their
 * order. @throws what keeps all from moving
 */
export async function moveIntoHsm(
  ways: MoveWays,
  { requestId, to, otherKey }: IntoHsm,
  moves: readonly ToMove[],
): Promise<readonly (Moved | DomainError)[]> {
  const { canary, scope, kind } = to
  const target = {
    canary,
    ...(scope === undefined ? {} : { scope }),
    ...(kind === undefined ? {} : { kind }),
    ...(otherKey ? { otherKey } : {}),
  }
  const wanted = await Promise.all(
    moves.map((move) => toWanted(ways, requestId, move).catch(toDomainError)),
  )
  const deposits = wanted.filter((one): one is WantedMove => !(one instanceof DomainError))
  const replies =
    deposits.length === 0
      ? []
      : await ways.calls.move({ requestId, deposits, target }).catch(translateOpening)
  const answers = replies.values()
  return wanted.map((one) =>
    one instanceof DomainError ? one : toMoved(answers.next().value, canary),
  )
}

function toMoved(
  reply: SealedDeposit | DomainError | undefined,
  canary: HsmForm['canary'],
): Moved | DomainError {
  if (!reply)
    return new DomainError('ERR_HSM_UNAVAILABLE', 'Key HSM did not say what became of a deposit')
  if (reply instanceof DomainError) return opened(reply)
  const { sealed: stored, hsmKeyId, ...key } = reply
  return { ...key, sealing: 'hsm', stored, hsmKeyId: hsmKeyId as HsmKeyId, canary }
}

/** As a call of its own would have thrown it. */
function opened(error: DomainError): DomainError {
  try {
    return translateOpening(error)
  } catch (translated) {
    return toDomainError(translated)
  }
}

async function toWanted(ways: MoveWays, requestId: Uuid, move: ToMove): Promise<WantedMove> {
  const { revision, deposit } = move
  const context = contextOf(move)
  const { stored, canary } = revision
  if (revision.sealing === 'hsm') return { context, sealed: stored, canary: canary ?? ways.canary }
  const content = await ways.passThrough.open({ requestId, context, stored, canary })
  const { trustees } = deposit.policy ?? {}
  return { context, content, ...(trustees === undefined ? {} : { trustees: toKeys(trustees) }) }
}

/**
 * Out of the HSM: what the client sealed passes through this server, as when it was stored.
 * @throws ERR_IRRETRIEVABLE, ERR_NOT_ALLOWED (trustees would have to approve) for the deposit; else what keeps all from moving
 */
export async function carryOut(ways: MoveWays, requestId: Uuid, move: ToMove): Promise<Moved> {
  const { passThrough, hsm } = ways
  const { stored, canary } = move.revision
  const { trustees } = move.deposit.policy ?? {}
  const context = contextOf(move)
  const content = await hsm.open({ requestId, context, stored, canary })
  const sealed = await passThrough.seal({ requestId, context, content, trustees })
  const again = await passThrough.open({ requestId, context, ...sealed })
  if (again.length !== content.length || !timingSafeEqual(again, content))
    throw new DomainError('ERR_HSM_UNAVAILABLE', 'the new form has another content')
  return { ...sealed, sealing: passThrough.sealing }
}

function contextOf({ deposit, revision }: ToMove): SealContext {
  const { organisation, uuid, handle } = deposit
  return { organisation, deposit: uuid, handle, revision: revision.revision }
}
