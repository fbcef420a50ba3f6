/** Why a user may or may not: every rule that was looked at, in order. */
import type { Subject } from './access-list.js'
import {
  type Acls,
  findKeyGrant,
  isKeyAclPresent,
  type KeyOperation,
  mayDo,
  type Operation,
  type TrusteeOperation,
} from './acls.js'

/** Operation → what it needs of a key. @see docs/protocols/hadoop-kms.md#access */
export const keyOperationOf: Readonly<
  Record<Operation | TrusteeOperation, KeyOperation | undefined>
> = {
  CREATE: 'MANAGEMENT',
  DELETE: 'MANAGEMENT',
  ROLLOVER: 'MANAGEMENT',
  SET_KEY_MATERIAL: 'MANAGEMENT',
  GET: 'READ',
  GET_METADATA: 'READ',
  GET_KEYS: undefined,
  GENERATE_EEK: 'GENERATE_EEK',
  DECRYPT_EEK: 'DECRYPT_EEK',
  UNDELETE: 'MANAGEMENT',
  PURGE: 'MANAGEMENT',
}

export interface Explanation {
  readonly allowed: boolean
  readonly reasons: readonly string[]
}

/** @param aclName name that the key's rules go by; undefined: only the operation is asked about. */
export function explain(
  acls: Acls,
  o: {
    readonly operation: Operation | TrusteeOperation
    readonly aclName: string | undefined
    readonly subject: Subject
    readonly keyAuthorization: boolean
  },
): Explanation {
  const byOperation = explainOperation(acls, o.operation, o.subject)
  const type = keyOperationOf[o.operation]
  if (!byOperation.allowed || o.aclName === undefined || type === undefined) return byOperation
  if (!o.keyAuthorization)
    return {
      allowed: true,
      reasons: [
        ...byOperation.reasons,
        'hadoop.kms.key.authorization.enable is false: keys are not asked',
      ],
    }
  const byKey = explainKey(acls, { aclName: o.aclName, type, subject: o.subject })
  return { allowed: byKey.allowed, reasons: [...byOperation.reasons, ...byKey.reasons] }
}

function explainOperation(
  acls: Acls,
  operation: Operation | TrusteeOperation,
  subject: Subject,
): Explanation {
  const isTrustees = operation === 'UNDELETE' || operation === 'PURGE'
  const usual = isTrustees ? 'DELETE' : operation
  const own = isTrustees ? acls.allowed.get(operation) : undefined
  const list = acls.allowed.get(usual)
  const said = list === undefined ? 'is not set, so everybody' : `is "${list.text}"`
  const blacklist = acls.blocked.get(usual)
  const reasons: string[] = []
  if (own) reasons.push(`keytrustee.kms.acl.${operation} is "${own.text}"`)
  else if (isTrustees) reasons.push(`keytrustee.kms.acl.${operation} is not set, so DELETE counts`)
  if (!own) reasons.push(`hadoop.kms.acl.${usual} ${said}`)
  if (blacklist) reasons.push(`hadoop.kms.blacklist.${usual} is "${blacklist.text}"`)
  const allowed = mayDo(acls, operation, subject)
  reasons.push(`${subject.user} ${allowed ? 'may' : 'may not'} ${operation}`)
  return { allowed, reasons }
}

function explainKey(
  acls: Acls,
  o: { readonly aclName: string; readonly type: KeyOperation; readonly subject: Subject },
): Explanation {
  const { aclName, type, subject } = o
  const own = acls.keys.get(aclName)
  const grant = findKeyGrant(acls, aclName, type, subject)
  const reasons: string[] = []
  if (!isKeyAclPresent(acls, aclName, type))
    reasons.push(`nothing is said about ${type} of ${aclName}, so nobody`)
  else if (own)
    reasons.push(
      `key.acl.${aclName}.* exists (${[...own.keys()].join(', ')}), so defaults do not count`,
    )
  else reasons.push(`no key.acl.${aclName}.* exists, so default.key.acl.${type} counts`)
  reasons.push(
    grant === undefined
      ? `no list for ${type} of ${aclName} holds ${subject.user}`
      : `${grant} holds ${subject.user}`,
  )
  return { allowed: grant !== undefined, reasons }
}
