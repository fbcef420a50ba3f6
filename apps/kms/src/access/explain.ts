/** Why a user may or may not: every rule that was looked at, in order. */
import type { Subject } from './access-list.js'
import {
  type Acls,
  findKeyGrant,
  isKeyAclPresent,
  type KeyOperation,
  mayDo,
  type Operation,
} from './acls.js'

/** Operation → what it needs of a key. @see docs/protocols/hadoop-kms.md#access */
export const keyOperationOf: Readonly<Record<Operation, KeyOperation | undefined>> = {
  CREATE: 'MANAGEMENT',
  DELETE: 'MANAGEMENT',
  ROLLOVER: 'MANAGEMENT',
  SET_KEY_MATERIAL: 'MANAGEMENT',
  GET: 'READ',
  GET_METADATA: 'READ',
  GET_KEYS: undefined,
  GENERATE_EEK: 'GENERATE_EEK',
  DECRYPT_EEK: 'DECRYPT_EEK',
}

export interface Explanation {
  readonly allowed: boolean
  readonly reasons: readonly string[]
}

/** @param aclName name that the key's rules go by; undefined: only the operation is asked about. */
export function explain(
  acls: Acls,
  o: {
    readonly operation: Operation
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

function explainOperation(acls: Acls, operation: Operation, subject: Subject): Explanation {
  const list = acls.allowed.get(operation)
  const blacklist = acls.blocked.get(operation)
  const allowed = mayDo(acls, operation, subject)
  const said = list === undefined ? 'is not set, so everybody' : `is "${list.text}"`
  const reasons = [`hadoop.kms.acl.${operation} ${said}`]
  if (blacklist) reasons.push(`hadoop.kms.blacklist.${operation} is "${blacklist.text}"`)
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
