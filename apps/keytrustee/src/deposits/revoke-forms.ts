/** Destroying the HSM keys of a deposit that is purged: each form is shown to Key HSM, which opens it to see whose key it is. */
import { type DomainError, hasCode, type HsmKeyId, type Uuid } from '@keyhsm/core'
import { auditRefusal } from '../audited.js'
import type { SealContext } from '../sealing/sealer.js'
import type { Deposit, Reader } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { OwnForm } from './sealed-keys.js'

export interface RevokedForms {
  readonly hsmKeyIds: readonly HsmKeyId[]
  /** Forms that do not show that their key is this deposit's own: their keys stay. */
  readonly refused: readonly RefusedForm[]
}

export interface RefusedForm {
  readonly form: OwnForm
  readonly error: DomainError
}

/** @throws what keeps keys from being revoked now, after the others were tried */
export async function revokeForms(
  { store, sealing }: Pick<Trustee, 'store' | 'sealing'>,
  requestId: Uuid,
  deposit: Deposit,
  forms: readonly OwnForm[],
): Promise<RevokedForms> {
  const revoked: HsmKeyId[] = []
  const refused: RefusedForm[] = []
  const failures: unknown[] = []
  const sealer = forms.length > 0 ? sealing.forRetrieval('hsm') : undefined
  for (const form of forms) {
    const { key } = form
    const stored = await readStored(store, deposit.uuid, form)
    const proof = { context: contextOf(deposit, form.revision), stored, canary: key.canary }
    try {
      await sealer?.revoke(requestId, key, 'purge', proof)
      revoked.push(key.id)
    } catch (error) {
      if (hasCode(error, 'ERR_NOT_ALLOWED')) refused.push({ form, error })
      else failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return { hsmKeyIds: [...new Set(revoked)], refused }
}

/** Names each key that stays, in the audit. */
export async function auditRefusedForms(
  audit: Trustee['audit'],
  { requestId, actor }: { readonly requestId: Uuid; readonly actor: string },
  { organisation, uuid, handle }: Deposit,
  refused: readonly RefusedForm[],
): Promise<void> {
  if (refused.length === 0) return
  const subjects = refused.map(({ form: { key, revision } }) => {
    return { organisation, deposit: uuid, handle, revision, hsmKeyId: key.id }
  })
  const operation = { operation: 'purge-keys', requestId, actor, subjects }
  await auditRefusal(
    audit,
    operation,
    'integrity',
    'the stored bytes do not show that this HSM key is the deposit’s own: it stays',
  )
}

/** From where a form of the deposit is read. A new name binds every form anew, so there is but one. */
export function contextOf({ organisation, uuid, handle }: Deposit, revision: number): SealContext {
  return { organisation, deposit: uuid, handle, revision }
}

async function readStored(
  store: Pick<Reader, 'findRevision' | 'findFormerStored'>,
  deposit: Uuid,
  { revision, former }: OwnForm,
): Promise<Buffer> {
  const stored =
    former === undefined
      ? (await store.findRevision(deposit, revision))?.stored
      : await store.findFormerStored(former)
  return stored ?? Buffer.alloc(0)
}
