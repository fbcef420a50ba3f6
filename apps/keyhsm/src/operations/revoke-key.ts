/** Making an HSM key unusable for ever, by order of a Trustee Server or of an administrator. */
import { DomainError, type Fingerprint, type HsmKeyId, type Uuid } from '@keyhsm/core'
import type { CallOptions, HsmKey } from '@keyhsm/hsm'
import { parseLabel } from '../keys/labels.js'
import { findPurpose, findPurposeById, type RealmPurpose } from '../keys/purpose.js'
import type { Partition } from '../partition/partition.js'
import { audited, type Findings } from './audited.js'
import type { Caller, Workshop } from './caller.js'
import { requireProof, type ToProve } from './require-proof.js'

export type RevokeOutcome = 'destroyed' | 'already-gone'

/** Only the reason `revoke` may hit a key that several deposits share. */
export interface RevokeRequest extends ToProve {
  readonly requestId: Uuid
  readonly canary: Fingerprint
}

/**
 * Destroys a key of the caller's realm.
 * @throws ERR_NOT_FOUND when the id does not prove that the key is the caller's; ERR_NOT_ALLOWED when a key shared by
 * deposits would be destroyed for any reason but an order to revoke; ERR_BUSY above the realm's rate; what {@link requireProof} throws.
 */
export function revokeKey(
  workshop: Workshop,
  caller: Caller,
  request: RevokeRequest,
  options: CallOptions = {},
): Promise<RevokeOutcome> {
  const { partitions, audit, revokeRate } = workshop
  const { actor, realm } = caller
  revokeRate.admit(realm)
  const { requestId, hsmKeyId, canary, reason, proof } = request
  const subject = { realm, hsmKeyId, why: reason, ...proof?.context }
  const operation = { operation: 'revoke', requestId, actor, subject }
  const outcome = audited(audit, operation, 'revoked', async (findings) => {
    const partition = partitions.requireCanary(canary)
    const { keyIds } = partition.keys
    const purpose =
      findPurposeById(keyIds, realm, hsmKeyId) ?? (await lookUp(partition, realm, hsmKeyId))
    if (!purpose) throw notFound()
    if (purpose !== 'deposit' && reason !== 'revoke') {
      throw new DomainError(
        'ERR_NOT_ALLOWED',
        `a key of scope ${purpose} serves other deposits too`,
      )
    }
    const desk = { workshop, caller, findings, options }
    if ((await requireProof(desk, request)) === 'proved')
      return await destroy(partition, hsmKeyId, findings)
    findings.reason = goneAlready
    return 'already-gone'
  })
  return outcome.then((done) => {
    // Whoever comes again for what the rate refused does not pay for keys that are gone by then.
    if (done === 'already-gone') revokeRate.giveBack(realm)
    return done
  })
}

const goneAlready = 'the key was gone already'

/**
 * Destroys any key that Key HSM made for deposits, of whatever realm, by an administrator's order.
 * @throws ERR_NOT_FOUND when there is no such key; ERR_NOT_ALLOWED for the partition's own keys and for foreign ones.
 */
export function revokeAnyKey(
  workshop: Pick<Workshop, 'audit'> & { readonly partition: Partition },
  actor: string,
  { requestId, hsmKeyId }: Pick<RevokeRequest, 'requestId' | 'hsmKeyId'>,
): Promise<RevokeOutcome> {
  const { partition, audit } = workshop
  const operation = { operation: 'revoke', requestId, actor, subject: { hsmKeyId, why: 'revoke' } }
  return audited(audit, operation, 'revoked', async (findings) => {
    const key = await partition.hsm.findKey(hsmKeyId)
    if (!key) throw notFound()
    findings.subject = { label: key.label }
    requireDepositKey(partition, key)
    return await destroy(partition, hsmKeyId, findings)
  })
}

async function lookUp(
  partition: Partition,
  realm: Caller['realm'],
  id: HsmKeyId,
): Promise<RealmPurpose | undefined> {
  const key = await partition.hsm.findKey(id)
  return key && findPurpose(partition.keys.keyIds, realm, key)
}

async function destroy(
  partition: Partition,
  id: HsmKeyId,
  findings: Findings,
): Promise<RevokeOutcome> {
  const outcome = await partition.hsm.destroyKey(id)
  partition.ring.forget(id)
  partition.pool.forget(id)
  if (outcome === 'destroyed') partition.capacity.release()
  else findings.reason = goneAlready
  return outcome
}

function requireDepositKey({ keys }: Partition, key: HsmKey): void {
  const own = [keys.auth.id, keys.canary.id, keys.audit?.id].includes(key.id)
  if (own || key.use !== 'wrap' || parseLabel(key.label) === undefined) {
    throw new DomainError('ERR_NOT_ALLOWED', `${key.label} is not a key of deposits`, {
      hints: own ? ['every deposit of this partition depends on it'] : [],
    })
  }
}

function notFound(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'there is no such HSM key')
}
