/** Whether a Key HSM opens what is stored already: showing the canary alone does not prove that it holds every key. */
import { DomainError, type Fingerprint, hasCode, type Uuid } from '@keyhsm/core'
import type { Trustee } from '../trustee.js'
import type { SealingCalls } from './key-hsm-sealer.js'
import type { SealContext } from './sealer.js'

const mostSamples = 5

/**
 * One deposit that is stored must come out; without any there is nothing to prove.
 * @throws ERR_CONFLICT when none of a few does; else what Key HSM answers
 */
export async function openExisting(
  trustee: Trustee,
  calls: Pick<SealingCalls, 'open'>,
  { canary, requestId }: { readonly canary: Fingerprint; readonly requestId: Uuid },
): Promise<void> {
  const samples = await findSamples(trustee, canary)
  for (const { context, stored } of samples) {
    const opened = await calls.open({ requestId, context, sealed: stored, canary }).then(
      () => true,
      (error: unknown) => {
        if (hasCode(error, 'ERR_IRRETRIEVABLE')) return false
        throw error
      },
    )
    if (opened) return
  }
  if (samples.length === 0) return
  throw new DomainError(
    'ERR_CONFLICT',
    `this Key HSM opens none of ${samples.length} deposits that are stored: nothing was changed`,
    { hints: ['is its partition a whole copy of the others’, and the realm the same?'] },
  )
}

/** A few deposits of ours whose opening needs nobody's approval. */
async function findSamples({ store, grants }: Trustee, canary: Fingerprint) {
  const { deposits } = await store.listDeposits({ limit: 10 * mostSamples })
  const open = deposits.filter(
    (deposit) =>
      deposit.state === 'active' && !deposit.policy?.trustees && grants.believesDeposit(deposit),
  )
  const samples: { readonly context: SealContext; readonly stored: Buffer }[] = []
  for (const { uuid, organisation, handle, revision } of open) {
    const found = await store.findRevision(uuid, revision)
    const context = { organisation, deposit: uuid, handle, revision }
    if (found?.sealing === 'hsm' && (found.canary ?? canary) === canary)
      samples.push({ context, stored: found.stored })
    if (samples.length === mostSamples) break
  }
  return samples
}
