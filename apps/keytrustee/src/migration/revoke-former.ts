/** Destroying the HSM key of a former form, once it is shown that the present form opens without it. */
import { DomainError, hasCode, type Uuid } from '@keyhsm/core'
import { contextOf } from '../deposits/revoke-forms.js'
import { formerKey } from '../deposits/sealed-keys.js'
import type { HeldKey, RevokeProof } from '../sealing/sealer.js'
import type { Deposit, FormerRevision, Revision } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { MoveWays } from './move-revision.js'

export interface FormerDesk {
  readonly trustee: Pick<Trustee, 'store' | 'grants' | 'sealing'>
  readonly ways: Pick<MoveWays, 'hsm'>
}

/**
 * Revokes the own key of a former form; where it has none nothing is done. What somebody else wrote there is left to prune,
 * which asks whether a deposit needs it.
 * @throws ERR_NOT_ALLOWED when the present form does not open, or only under this key; what keeps the key from being revoked now
 */
export async function revokeFormer(
  { trustee, ways }: FormerDesk,
  requestId: Uuid,
  row: FormerRevision,
): Promise<void> {
  const found = await findForms(trustee, requestId, row)
  if (!found) return
  const { key, deposit, present } = found
  try {
    if (await needsNoHsm(trustee, found)) await revokeShownItself(trustee, ways, found)
    else await ways.hsm.revoke(requestId, key, 'migrate', proofOf(deposit, present))
  } catch (error) {
    if (!hasCode(error, 'ERR_NOT_ALLOWED') && !hasCode(error, 'ERR_IRRETRIEVABLE')) throw error
    const { uuid, handle } = deposit
    const what = `revision ${row.revision} of ${handle} (${uuid})`
    throw new DomainError('ERR_NOT_ALLOWED', `${what} does not open in its new form`, {
      cause: error,
    })
  }
}

interface Found {
  readonly requestId: Uuid
  readonly row: FormerRevision
  readonly key: HeldKey
  readonly deposit: Deposit
  readonly present: Revision
}

async function findForms(
  { store, grants }: FormerDesk['trustee'],
  requestId: Uuid,
  row: FormerRevision,
): Promise<Found | undefined> {
  const key = formerKey(grants, row)
  if (!key) return undefined
  const deposit = (await store.findDepositByUuid(row.deposit))?.deposit
  const present = await store.findRevision(row.deposit, row.revision)
  if (!deposit || !present || !grants.believesDeposit(deposit)) return undefined
  return { requestId, row, key, deposit, present }
}

/**
 * Whether no form in an HSM takes the former one's place: the deposit is being purged, or is unsealed now, which this server
 * verifies itself. @throws ERR_IRRETRIEVABLE when unsealed bytes are not as this server wrote them
 */
async function needsNoHsm(
  { sealing }: Pick<Trustee, 'sealing'>,
  { requestId, deposit, present }: Found,
): Promise<boolean> {
  if (deposit.state === 'purging' || deposit.state === 'purged') return true
  if (present.sealing === 'hsm') return false
  const unsealed = sealing.forRetrieval('pass-through')
  if (!unsealed)
    throw new DomainError('ERR_NOT_ALLOWED', 'nothing may be unsealed on this server now')
  const proof = proofOf(deposit, present)
  await unsealed.open({ requestId, ...proof })
  return true
}

/** The former form shows that the key is its own. A purge that was faster has forgotten it, with its key. */
async function revokeShownItself(
  { store }: Pick<Trustee, 'store'>,
  { hsm }: FormerDesk['ways'],
  { requestId, row, key, deposit, present }: Found,
): Promise<void> {
  const stored = await store.findFormerStored(row.uuid)
  if (!stored) return
  await hsm.revoke(requestId, key, 'purge', {
    ...proofOf(deposit, present),
    stored,
    canary: key.canary,
  })
}

function proofOf(deposit: Deposit, { revision, stored, canary }: Revision): RevokeProof {
  return { context: contextOf(deposit, revision), stored, canary }
}
