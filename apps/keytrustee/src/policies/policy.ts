/** What an owner or an administrator lays down about retrievals of a deposit: checked, and in one canonical text. */
import { isIP } from 'node:net'
import { DomainError, invalidInput, type Uuid } from '@keyhsm/core'
import type { PolicyField } from '@keyhsm/protocol'
import type { Trustees } from './trustees.js'

/** Absent members lay down nothing. Who is not named in `clients` or `groups` and is not the owner may never retrieve. */
export interface Policy {
  /** ISO 8601, UTC. */
  readonly notBefore?: string
  readonly expiresAt?: string
  /** Retrievals in all, counted from when the policy was set; 1 is single use. */
  readonly maxRetrievals?: number
  /** Networks (CIDR) from which the owner and readers may retrieve. */
  readonly networks?: readonly string[]
  readonly clients?: readonly Uuid[]
  readonly groups?: readonly Uuid[]
  /** Set with a put only: they are sealed into the header. */
  readonly trustees?: Trustees
}

/** The order of members in the canonical text. */
const members = [
  'notBefore',
  'expiresAt',
  'maxRetrievals',
  'networks',
  'clients',
  'groups',
  'trustees',
] as const

/** The one text of a policy; undefined for one that lays down nothing. */
export function formatPolicy(policy: Policy | undefined): string | undefined {
  const given = members.flatMap((name) => {
    const value = policy?.[name]
    return value === undefined || (Array.isArray(value) && value.length === 0)
      ? []
      : [[name, value]]
  })
  return given.length === 0 ? undefined : JSON.stringify(Object.fromEntries(given))
}

/** A stored text; what a text means that is not ours says its grant. @throws ERR_INTERNAL when it is no policy at all. */
export function readPolicy(text: string | undefined): Policy | undefined {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as Policy
  } catch (cause) {
    throw new DomainError('ERR_INTERNAL', 'internal error', { cause })
  }
}

/** A wish as it came over the wire, with names resolved by `find`. @throws ERR_INVALID_INPUT naming the member and the rule. */
export async function parsePolicy(
  raw: PolicyField,
  find: {
    readonly client: (ref: string) => Promise<Uuid | undefined>
    readonly group: (ref: string) => Promise<Uuid | undefined>
  },
): Promise<Policy | undefined> {
  const times = parseTimes(raw)
  const networks = raw.networks?.map(parseNetwork)
  const clients = await resolve(raw.clients, find.client, 'policy.clients')
  const groups = await resolve(raw.groups, find.group, 'policy.groups')
  const policy: Policy = {
    ...times,
    ...(raw.maxRetrievals === undefined ? {} : { maxRetrievals: raw.maxRetrievals }),
    ...(networks === undefined ? {} : { networks }),
    ...(clients === undefined ? {} : { clients }),
    ...(groups === undefined ? {} : { groups }),
  }
  return readPolicy(formatPolicy(policy))
}

/** The same policy with other trustees, or with none. */
export function withTrustees(
  policy: Policy | undefined,
  trustees: Trustees | undefined,
): Policy | undefined {
  const { trustees: _, ...rest } = policy ?? {}
  const next = trustees === undefined ? rest : { ...rest, trustees }
  return readPolicy(formatPolicy(next))
}

/** Clients and groups that may retrieve besides the owner. */
export function readersOf(policy: Policy | undefined): readonly Uuid[] {
  return [...(policy?.clients ?? []), ...(policy?.groups ?? [])]
}

function parseTimes(raw: PolicyField): Pick<Policy, 'notBefore' | 'expiresAt'> {
  const notBefore = parseInstant(raw.notBefore, 'policy.notBefore')
  const expiresAt = parseInstant(raw.expiresAt, 'policy.expiresAt')
  if (notBefore !== undefined && expiresAt !== undefined && notBefore >= expiresAt)
    throw invalidInput('policy.expiresAt', 'must be after notBefore')
  return {
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

function parseInstant(text: string | undefined, field: string): string | undefined {
  if (text === undefined) return undefined
  const instant = new Date(text)
  if (!/^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/.test(text) || Number.isNaN(instant.getTime()))
    throw invalidInput(field, 'must be an instant in UTC such as 2027-01-31T12:00:00Z')
  return instant.toISOString()
}

/** `192.0.2.0/24`, `2001:db8::/32` or one address. */
function parseNetwork(text: string): string {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  const most = version === 4 ? 32 : 128
  const bits = prefix === undefined ? most : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  if (version === 0 || rest.length > 0 || !(bits >= 0 && bits <= most))
    throw invalidInput('policy.networks', 'must be networks such as 192.0.2.0/24')
  return `${address.toLowerCase()}/${bits}`
}

async function resolve(
  refs: readonly string[] | undefined,
  find: (ref: string) => Promise<Uuid | undefined>,
  field: string,
): Promise<readonly Uuid[] | undefined> {
  if (refs === undefined) return undefined
  const found: Uuid[] = []
  for (const ref of refs) {
    const uuid = await find(ref)
    if (uuid === undefined) throw invalidInput(field, `must name one of this organisation: ${ref}`)
    found.push(uuid)
  }
  return [...new Set(found)].sort()
}
