/** The two questions before every access: may this user do this at all, and with this key. Refusals are audited here. */
import {
  isKeyAclPresent,
  type KeyOperation,
  mayDo,
  mayUseKey,
  type Operation,
  type TrusteeOperation,
} from '../access/acls.js'
import type { Subject } from '../access/access-list.js'
import type { ZoneKey } from '../zone-keys/zone-key.js'
import type { Call } from './call.js'
import { notAuthorized } from './remote-error.js'

export const aclNameAttribute = 'key.acl.name'

/** What the audit calls an operation, e.g. `CREATE_KEY`. */
export type AuditedOperation = string

/** @throws RemoteError 403 when the operation ACL says no. */
export async function requireOperation(
  call: Call,
  operations: readonly (Operation | TrusteeOperation)[],
  op: AuditedOperation,
  key?: string,
): Promise<void> {
  const acls = call.kms.acls()
  const subject = subjectOf(call)
  if (operations.some((operation) => mayDo(acls, operation, subject))) return
  call.kms.meters.mark('unauthorized')
  await recordRefusal(call, op, key)
  const on = key === undefined ? '' : ` on '${key}'`
  throw notAuthorized(`User:${subject.user} not allowed to do '${op}'${on}`)
}

/** @throws RemoteError 403 when the rules of the key say no. A key that does not exist is not asked about. */
export async function requireKeyAccess(
  call: Call,
  type: KeyOperation,
  found: { readonly name: string; readonly key: ZoneKey } | undefined,
): Promise<void> {
  if (!found || !call.kms.settings().keyAuthorization) return
  const aclName = aclNameOf(found.name, found.key)
  const subject = subjectOf(call)
  if (mayUseKey(call.kms.acls(), aclName, type, subject)) return
  await recordRefusal(call, type, found.name)
  throw notAuthorized(
    `User [${subject.user}] is not authorized to perform [${type}] on key with ACL name [${aclName}]!!`,
  )
}

/**
 * The attributes of a new key: its ACL name is written into them, so that it stays when the rules change.
 * @throws RemoteError 403 when the caller may not manage keys of that ACL name.
 */
export async function requireCreation(
  call: Call,
  name: string,
  attributes: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  if (!call.kms.settings().keyAuthorization) return { ...attributes }
  const acls = call.kms.acls()
  const aclName = attributes[aclNameAttribute] || name
  const subject = subjectOf(call)
  const allowed =
    isKeyAclPresent(acls, aclName, 'MANAGEMENT') && mayUseKey(acls, aclName, 'MANAGEMENT', subject)
  if (allowed) return { ...attributes, [aclNameAttribute]: aclName }
  await recordRefusal(call, 'MANAGEMENT', name)
  throw notAuthorized(`User [${subject.user}] is not authorized to create key !!`)
}

/** Whether this caller is shown key material it made itself. */
export function mayGetMaterial(call: Call): boolean {
  return call.kms.settings().exportMaterial && mayDo(call.kms.acls(), 'GET', subjectOf(call))
}

/** @throws RemoteError 403 where raw material never leaves, whatever the ACLs say. */
export async function requireExport(call: Call, op: AuditedOperation, key: string): Promise<void> {
  if (call.kms.settings().exportMaterial) return
  await recordRefusal(call, op, key)
  throw notAuthorized(
    `User:${call.caller.user.short} not allowed to do '${op}' on '${key}': key material does not leave this KMS`,
  )
}

function aclNameOf(name: string, { attributes }: ZoneKey): string {
  return attributes[aclNameAttribute] || name
}

function subjectOf({ caller, groups }: Call): Subject {
  return { user: caller.user.short, realUser: caller.realUser?.short, groups }
}

function recordRefusal(call: Call, op: string, key: string | undefined): Promise<void> {
  const { caller, peerAddress, requestId } = call
  return call.kms.audit.record({ status: 'UNAUTHORIZED', op, key, caller, peerAddress, requestId })
}
