/** `kms-acls.xml`: who may do what, and with which keys. @see docs/protocols/hadoop-kms.md#access */
import type { Configuration } from '../configuration/configuration.js'
import { type AccessList, isInList, parseAccessList, type Subject } from './access-list.js'

export const operations = [
  'CREATE',
  'DELETE',
  'ROLLOVER',
  'GET',
  'GET_KEYS',
  'GET_METADATA',
  'SET_KEY_MATERIAL',
  'GENERATE_EEK',
  'DECRYPT_EEK',
] as const
export type Operation = (typeof operations)[number]

/** Operations of trusteeOp, `keytrustee.kms.acl.…` as Key Trustee KMS has them; absent in a file, they follow DELETE. */
export const trusteeOperations = ['UNDELETE', 'PURGE'] as const
export type TrusteeOperation = (typeof trusteeOperations)[number]

export const keyOperations = ['MANAGEMENT', 'GENERATE_EEK', 'DECRYPT_EEK', 'READ'] as const
export type KeyOperation = (typeof keyOperations)[number]
type KeyAclType = KeyOperation | 'ALL'

export interface Acls {
  readonly allowed: ReadonlyMap<Operation | TrusteeOperation, AccessList>
  readonly blocked: ReadonlyMap<Operation | TrusteeOperation, AccessList>
  readonly keys: ReadonlyMap<string, ReadonlyMap<KeyAclType, AccessList>>
  readonly defaults: ReadonlyMap<KeyOperation, AccessList>
  readonly whitelist: ReadonlyMap<KeyOperation, AccessList>
  /** What was not understood and is not obeyed; each with its place. */
  readonly warnings: readonly string[]
  /** Some list names a group: only then are groups looked up. */
  readonly namesGroups: boolean
}

/** Everything of a file at once: a reload replaces, it never merges. */
export function parseAcls(configuration: Configuration): Acls {
  const allowed = new Map<Operation | TrusteeOperation, AccessList>()
  const blocked = new Map<Operation | TrusteeOperation, AccessList>()
  const keys = new Map<string, Map<KeyAclType, AccessList>>()
  const defaults = new Map<KeyOperation, AccessList>()
  const whitelist = new Map<KeyOperation, AccessList>()
  const warnings: string[] = []
  for (const [name, { text, file, line }] of configuration) {
    const warn = (words: string) => void warnings.push(`${file}:${line}: ${name} ${words}`)
    const list = parseAccessList(text)
    const rule = readRule(name)
    if (rule === undefined) warn('is not known')
    else if (typeof rule === 'string') warn(rule)
    else if ('operation' in rule)
      (rule.kind === 'allowed' ? allowed : blocked).set(rule.operation, list)
    else if ('key' in rule) {
      const ofKey = keys.get(rule.key) ?? new Map<KeyAclType, AccessList>()
      keys.set(rule.key, ofKey.set(rule.type, list))
    } else (rule.kind === 'default' ? defaults : whitelist).set(rule.type, list)
  }
  const lists = [allowed, blocked, defaults, whitelist, ...keys.values()].flatMap((map) => [
    ...map.values(),
  ])
  const namesGroups = lists.some(({ groups }) => groups.size > 0)
  return { allowed, blocked, keys, defaults, whitelist, warnings, namesGroups }
}

type Rule =
  | { readonly kind: 'allowed' | 'blocked'; readonly operation: Operation | TrusteeOperation }
  | { readonly kind: 'default' | 'whitelist'; readonly type: KeyOperation }
  | { readonly kind: 'key'; readonly key: string; readonly type: KeyAclType }

type Reading = Rule | string | undefined

/** Shapes of names, each with what it says; a text says why the property is ignored. */
const shapes: readonly (readonly [RegExp, (first: string, second: string) => Reading])[] = [
  [/^hadoop\.kms\.(acl|blacklist)\.(\w+)$/, readOperation],
  [/^(keytrustee)\.kms\.acl\.(\w+)$/, readTrusteeOperation],
  [/^(default|whitelist)\.key\.acl\.(\w+)$/, readShared],
  // A key's name may hold dots: the type is what follows the last one.
  [/^key\.acl\.([\s\S]+)\.([^.]+)$/, readOwn],
]

/** What a property's name says; undefined for one that is no ACL at all. */
function readRule(name: string): Reading {
  for (const [shape, read] of shapes) {
    const match = shape.exec(name)
    if (match) return read(match[1] ?? '', match[2] ?? '')
  }
  return undefined
}

function readOperation(list: string, name: string): Reading {
  const operation = operations.find((known) => known === name)
  if (!operation) return `names no operation; there are ${operations.join(', ')}`
  return { kind: list === 'acl' ? 'allowed' : 'blocked', operation }
}

function readTrusteeOperation(_: string, name: string): Reading {
  const operation = trusteeOperations.find((known) => known === name)
  if (!operation) return `must end in ${trusteeOperations.join(' or ')}`
  return { kind: 'allowed', operation }
}

function readShared(list: string, name: string): Reading {
  const type = keyOperations.find((known) => known === name)
  if (!type) return `is ignored: only ${keyOperations.join(', ')} can stand there`
  return { kind: list === 'default' ? 'default' : 'whitelist', type }
}

function readOwn(key: string, name: string): Reading {
  const type = [...keyOperations, 'ALL' as const].find((known) => known === name)
  if (!type) return `is ignored: only ${keyOperations.join(', ')} and ALL can stand at its end`
  return { kind: 'key', key, type }
}

/** In the list (all, where there is none) and not blocked. */
export function mayDo(
  acls: Acls,
  operation: Operation | TrusteeOperation,
  subject: Subject,
): boolean {
  const own: Operation = operation === 'UNDELETE' || operation === 'PURGE' ? 'DELETE' : operation
  const list = acls.allowed.get(operation) ?? acls.allowed.get(own)
  const blacklist = acls.blocked.get(operation) ?? acls.blocked.get(own)
  if (blacklist && isInList(blacklist, subject)) return false
  return list === undefined || isInList(list, subject)
}

/** Whether anything at all is said about this kind of access to keys of this ACL name. */
export function isKeyAclPresent(acls: Acls, aclName: string, type: KeyOperation): boolean {
  return acls.keys.has(aclName) || acls.defaults.has(type) || acls.whitelist.has(type)
}

/** Nothing said means no. Defaults count only for a name without any entry of its own. */
export function mayUseKey(
  acls: Acls,
  aclName: string,
  type: KeyOperation,
  subject: Subject,
): boolean {
  return (
    isKeyAclPresent(acls, aclName, type) && findKeyGrant(acls, aclName, type, subject) !== undefined
  )
}

/** The property that lets `subject` in, for {@link mayUseKey} and for explaining it. */
export function findKeyGrant(
  acls: Acls,
  aclName: string,
  type: KeyOperation,
  subject: Subject,
): string | undefined {
  const own = acls.keys.get(aclName)
  const candidates: readonly (readonly [string, AccessList | undefined])[] = [
    ...(own
      ? ([
          [`key.acl.${aclName}.${type}`, own.get(type)],
          [`key.acl.${aclName}.ALL`, own.get('ALL')],
        ] as const)
      : ([[`default.key.acl.${type}`, acls.defaults.get(type)]] as const)),
    [`whitelist.key.acl.${type}`, acls.whitelist.get(type)],
  ]
  return candidates.find(([, list]) => list && isInList(list, subject))?.[0]
}
