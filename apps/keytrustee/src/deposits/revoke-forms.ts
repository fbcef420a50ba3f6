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

/**
 * A form that was let go meanwhile is passed over: whoever let it go has revoked its key.
 * @throws what keeps keys from being revoked now: at once when the HSM cannot be asked, else after the others were tried
 */
export async function revokeForms(
  trustee: Pick<Trustee, 'store' | 'sealing'>,
  { requestId, leaveKeys = false }: { readonly requestId: Uuid; readonly leaveKeys?: boolean },
  deposit: Deposit,
  forms: readonly OwnForm[],
): Promise<RevokedForms> {
  const revoked = new Set<HsmKeyId>()
  const refused: RefusedForm[] = []
  for (const form of forms) {
    const end = await revokeForm(trustee, requestId, deposit, form)
    if (end === 'revoked') revoked.add(form.key.id)
    else if (end !== 'gone') refused.push({ form, error: end })
  }
  const elsewhere = refused.find(({ error }) => hasCode(error, 'ERR_WRONG_PARTITION'))
  if (elsewhere && !leaveKeys) throw elsewhere.error
  return { hsmKeyIds: [...revoked], refused }
}

/** @returns what speaks against this key alone, if something does. @throws when the HSM cannot be asked */
async function revokeForm(
  { store, sealing }: Pick<Trustee, 'store' | 'sealing'>,
  requestId: Uuid,
  deposit: Deposit,
  form: OwnForm,
): Promise<'revoked' | 'gone' | DomainError> {
  const sealer = sealing.forRetrieval('hsm')
  const stored = await readStored(store, deposit.uuid, form)
  if (stored === undefined) return 'gone'
  const { key, revision } = form
  const proof = { context: contextOf(deposit, revision), stored, canary: key.canary }
  try {
    await sealer?.revoke(requestId, key, 'purge', proof)
    return 'revoked'
  } catch (error) {
    if (hasCode(error, 'ERR_NOT_ALLOWED') || hasCode(error, 'ERR_WRONG_PARTITION')) return error
    throw error
  }
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

/** Undefined for a former form that is gone; a revision that is gone shows nothing. */
async function readStored(
  store: Pick<Reader, 'findRevision' | 'findFormerStored'>,
  deposit: Uuid,
  { revision, former }: OwnForm,
): Promise<Buffer | undefined> {
  if (former !== undefined) return store.findFormerStored(former)
  return (await store.findRevision(deposit, revision))?.stored ?? Buffer.alloc(0)
}
