/**
 * Names of HSM keys, for people who look into the device with its own tools; the id identifies, never the label.
 * A label is parsed from the right, because a handle may hold hyphens and digits of its own.
 *
 * - deposit scope       `<handle>-<xxxx>-<xxxx>-<yyyy-mm-dd>`           (manual: "handle name-uuid-date")
 * - organisation scope  `org-<32 hex of its uuid>-<gggg>-<xxxx>-<yyyy-mm-dd>`
 * - service scope       `service-<realm>-<gggg>-<xxxx>-<yyyy-mm-dd>`
 * - made ahead         `pool-<xxxx>-<xxxx>-<yyyy-mm-dd>`, without a capital letter in the first group
 * - the partition's own `auth-`, `canary-`, `audit-<xxxx>-<xxxx>-<yyyy-mm-dd>`
 *
 * `gggg` is the generation in base 36. The first random group of the other labels holds a capital letter, so that no
 * handle can be chosen whose label reads as a shared key's.
 */
import { createHash, randomInt } from 'node:crypto'
import { formatUtcDate, type Handle, type Realm, type Uuid } from '@keyhsm/core'

/** CKA_LABEL has no limit in PKCS#11; 64 is what every vendor's tools show. */
export const maxLabelCharacters = 64

/** What a label says. `createdOn` is a UTC date `yyyy-mm-dd`. */
export type ParsedLabel =
  | {
      readonly form: 'single'
      readonly name: string
      /** The two random groups, the manual's "uuid": `3T17-YYdn`. */
      readonly uuid: string
      readonly createdOn: string
    }
  | { readonly form: 'pool'; readonly createdOn: string }
  | {
      readonly form: 'organisation'
      readonly organisation: Uuid
      readonly generation: number
      readonly createdOn: string
    }
  | {
      readonly form: 'service'
      /** The realm, or its beginning and a hash when it was too long. */
      readonly realmPart: string
      readonly generation: number
      readonly createdOn: string
    }

/** The keys of the partition itself: not of any realm. */
export type PartitionKeyName = 'auth' | 'canary' | 'audit'

const capitals = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const smallAlphanumerics = 'abcdefghijklmnopqrstuvwxyz0123456789'
const alphanumerics = `${capitals}${smallAlphanumerics}`
/** `-xxxx-xxxx-yyyy-mm-dd`. */
const tailCharacters = 21
const hashCharacters = 6
const generationDigits = 4
/** The highest generation that four base 36 digits hold. */
export const maxGeneration = 36 ** generationDigits - 1

/** Label of a key made for one deposit. The handle is cut and gets a short hash when the label would be too long. */
export function formatDepositLabel(handle: Handle, now: Date): string {
  return formatSingle(cut(handle, maxLabelCharacters - tailCharacters), now)
}

/** Whether the name of a label is what {@link formatDepositLabel} makes of a longer handle. */
export function isCutHandle(name: string, handle: string): boolean {
  const room = maxLabelCharacters - tailCharacters
  return handle.length > room && name === cut(handle, room)
}

/** Label of one of the partition's own keys. */
export function formatPartitionLabel(name: PartitionKeyName, now: Date): string {
  return formatSingle(name, now)
}

/** Label of a key made ahead. No deposit's label reads so, whatever its handle. */
export function formatPoolLabel(now: Date): string {
  return `pool-${pick(smallAlphanumerics, 4)}-${pick(alphanumerics, 4)}-${formatUtcDate(now)}`
}

/** Label of an organisation's shared key. */
export function formatOrganisationLabel(organisation: Uuid, generation: number, now: Date): string {
  return formatShared(`org-${organisation.replaceAll('-', '')}`, generation, now)
}

/** Label of a realm's shared key. */
export function formatServiceLabel(realm: Realm, generation: number, now: Date): string {
  return formatShared(`service-${toRealmPart(realm)}`, generation, now)
}

/** The part of a service label that stands for `realm`. */
export function toRealmPart(realm: Realm): string {
  return cut(realm, maxLabelCharacters - tailCharacters - 'service-'.length)
}

/** What `label` says, or undefined when it is not in one of our forms (somebody renamed the key). */
export function parseLabel(label: string): ParsedLabel | undefined {
  const match = /^(.+)-([A-Za-z0-9]{4})-([A-Za-z0-9]{4})-(\d{4}-\d{2}-\d{2})$/.exec(label)
  if (!match || label.length > maxLabelCharacters) return undefined
  const [, head = '', group = '', second = '', createdOn = ''] = match
  if (Number.isNaN(Date.parse(createdOn))) return undefined
  const uuid = `${group}-${second}`
  return parseShared(head, group, createdOn) ?? { form: 'single', name: head, uuid, createdOn }
}

function parseShared(head: string, group: string, createdOn: string): ParsedLabel | undefined {
  if (!/^[0-9a-z]{4}$/.test(group)) return undefined
  if (head === 'pool') return { form: 'pool', createdOn }
  const generation = Number.parseInt(group, 36)
  const hex = /^org-([0-9a-f]{32})$/.exec(head)?.[1]
  if (hex) return { form: 'organisation', organisation: toUuid(hex), generation, createdOn }
  const realmPart = /^service-(.+)$/.exec(head)?.[1]
  return realmPart ? { form: 'service', realmPart, generation, createdOn } : undefined
}

function formatSingle(name: string, now: Date): string {
  const first = `${pick(capitals, 1)}${pick(alphanumerics, 3)}`
  return `${name}-${first}-${pick(alphanumerics, 4)}-${formatUtcDate(now)}`
}

function formatShared(head: string, generation: number, now: Date): string {
  const digits = generation.toString(36).padStart(generationDigits, '0')
  return `${head}-${digits}-${pick(alphanumerics, 4)}-${formatUtcDate(now)}`
}

function cut(name: string, maxCharacters: number): string {
  if (name.length <= maxCharacters) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, hashCharacters)
  return `${name.slice(0, maxCharacters - hashCharacters - 1)}.${hash}`
}

function pick(alphabet: string, count: number): string {
  return Array.from({ length: count }, () => alphabet[randomInt(alphabet.length)]).join('')
}

function toUuid(hex: string): Uuid {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') as Uuid
}
