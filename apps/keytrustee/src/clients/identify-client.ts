import type { X509Certificate } from 'node:crypto'
import { newUuid, type Uuid } from '@keyhsm/core'
import { heldClient } from '../backup/holds.js'
import { auditRefusal } from '../audited.js'
import { type Client, refuseReader } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import type { ClientAuthority } from './client-authority.js'

/**
 * Who is calling, asked at every request: a certificate of our authority, a row, its grant, the same key, state active,
 * and the same of the organisation. Undefined is nobody. A row whose grant is not ours is audited as `integrity`.
 * @throws ERR_STORE_UNAVAILABLE; ERR_NOT_ALLOWED for a client that is held since a restore.
 */
export async function identifyClient(
  trustee: Trustee,
  authority: ClientAuthority,
  certificate: X509Certificate | undefined,
): Promise<Caller | undefined> {
  const { store, grants, clock } = trustee
  const claim = certificate && authority.readClaim(certificate, clock.now())
  if (!claim) return undefined
  const found = await store.findCaller(claim.uuid)
  // One that enrolled just now may not have come to a standby yet.
  if (!found) return refuseReader(store)
  const { client, organisation } = found
  if (!grants.believesClient(client)) return refuseRow(trustee, client.uuid, 'client')
  if (!isCurrent(client, claim)) return undefined
  if (!grants.believesOrganisation(organisation))
    return refuseRow(trustee, client.uuid, 'organisation')
  if (organisation.state !== 'active') return undefined
  if (trustee.holds.client(client.uuid)) throw heldClient()
  return { client, organisation }
}

function isCurrent(
  { state, keyFingerprint }: Client,
  claim: Pick<Client, 'keyFingerprint'>,
): boolean {
  return state === 'active' && keyFingerprint === claim.keyFingerprint
}

async function refuseRow(
  { audit }: Trustee,
  actor: Uuid,
  row: 'client' | 'organisation',
): Promise<undefined> {
  const operation = { operation: 'identify', requestId: newUuid(), actor, subjects: [{ row }] }
  await auditRefusal(audit, operation, 'integrity', 'grant')
  return undefined
}
