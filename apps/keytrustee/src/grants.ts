/**
 * Why the database alone grants nothing: each row that grants something (organisation, client, deposit) carries an HMAC
 * under `grant.key`, a file outside the database. Every reader verifies it before believing the row; see
 * docs/formats/grants.md for the bytes.
 *
 * Not covered: a genuine row put back in an older state (the same row, the same grant, from a backup).
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Fingerprint, SecretBytes, Uuid } from '@keyhsm/core'
import { formatPolicy } from './policies/policy.js'
import type { Client, Deposit, Group, Organisation, RetrievalRequest } from './store/store.js'

export type OrganisationColumns = Omit<Organisation, 'grant'>
export type ClientColumns = Omit<Client, 'grant'>
export type DepositColumns = Omit<Deposit, 'grant'>
export type GroupColumns = Omit<Group, 'grant'>
export type RequestColumns = Omit<RetrievalRequest, 'grant'>

/** A part of a canonical encoding; undefined is a value of its own, different from the empty string. */
export type Part = string | number | Uint8Array | undefined

/** What each MAC of this server is for: one sub-key a purpose, so that none can stand in for another. */
export type MacPurpose =
  | 'grant'
  | 'request'
  | 'revision'
  | 'pass-through'
  | 'report'
  | 'revocation'
  | 'count'
  | 'former'
  | 'authorities'
  | 'direction'

export interface Grants {
  organisation(columns: OrganisationColumns): Organisation
  client(columns: ClientColumns): Client
  deposit(columns: DepositColumns): Deposit
  group(columns: GroupColumns): Group
  request(columns: RequestColumns): RetrievalRequest
  /** Whether this server made the row's grant for exactly these columns. Constant time. */
  believesOrganisation(row: Organisation): boolean
  believesClient(row: Client): boolean
  believesDeposit(row: Deposit): boolean
  believesGroup(row: Group): boolean
  believesRequest(row: RetrievalRequest): boolean
  /** HMAC-SHA-256 over the canonical encoding of `parts` under the sub-key of `purpose`. */
  mac(purpose: MacPurpose, parts: readonly Part[]): Buffer
  /** The only uuid that revision may have: a row whose uuid is another was not made by this server. */
  revisionUuid(deposit: Uuid, revision: number): Uuid
}

/** Length of `grant.key` in bytes. */
export const grantKeyBytes = 32

const purposes: readonly MacPurpose[] = [
  'grant',
  'request',
  'revision',
  'pass-through',
  'report',
  'revocation',
  'count',
  'former',
  'authorities',
  'direction',
]

/** Takes the bytes of `grant.key` for the life of the process. */
export function openGrants(key: SecretBytes): Grants {
  const subKeys = new Map(purposes.map((purpose) => [purpose, deriveSubKey(key, purpose)]))
  const mac = (purpose: MacPurpose, parts: readonly Part[]): Buffer => {
    const subKey = subKeys.get(purpose)
    if (!subKey) throw new Error(`no sub-key for ${purpose}`)
    return createHmac('sha256', subKey).update(encodeParts(parts)).digest()
  }
  const sign = (parts: readonly Part[]): string => mac('grant', parts).toString('hex')
  return {
    organisation: (columns) => ({ ...columns, grant: sign(organisationParts(columns)) }),
    client: (columns) => ({ ...columns, grant: sign(clientParts(columns)) }),
    request: (columns) => ({ ...columns, grant: sign(requestParts(columns)) }),
    group: (columns) => ({ ...columns, grant: sign(groupParts(columns)) }),
    deposit: (columns) => ({ ...columns, grant: sign(depositParts(columns)) }),
    believesOrganisation: (row) => sameText(row.grant, sign(organisationParts(row))),
    believesClient: (row) => sameText(row.grant, sign(clientParts(row))),
    believesDeposit: (row) => sameText(row.grant, sign(depositParts(row))),
    believesGroup: (row) => sameText(row.grant, sign(groupParts(row))),
    believesRequest: (row) => sameText(row.grant, sign(requestParts(row))),
    mac,
    revisionUuid: (deposit, revision) => toUuid(mac('revision', [deposit, revision])),
  }
}

/** A MAC as the 64 hex digits of a fingerprint column. */
export function macText(mac: Buffer): Fingerprint {
  return mac.toString('hex') as Fingerprint
}

/** Constant-time comparison of two texts; false for different lengths. */
export function sameText(left: string, right: string): boolean {
  const a = Buffer.from(left)
  const b = Buffer.from(right)
  return a.length === b.length && timingSafeEqual(a, b)
}

function deriveSubKey(key: SecretBytes, purpose: MacPurpose): Buffer {
  return key.expose((bytes) =>
    Buffer.from(hkdfSync('sha256', bytes, Buffer.alloc(0), `keytrustee 1 ${purpose}`, 32)),
  )
}

/** Each part with its length in front (four bytes, big-endian; all ones for undefined): no two lists share an encoding. */
function encodeParts(parts: readonly Part[]): Buffer {
  const values = parts.map((part) => (typeof part === 'number' ? String(part) : part))
  const bytes = values.reduce((sum, value) => sum + 4 + lengthOf(value), 0)
  const encoded = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const value of values) {
    at = encoded.writeUInt32BE(value === undefined ? 0xffffffff : lengthOf(value), at)
    if (typeof value === 'string') at += encoded.write(value, at)
    else if (value) {
      encoded.set(value, at)
      at += value.length
    }
  }
  return encoded
}

function lengthOf(value: string | Uint8Array | undefined): number {
  return value === undefined ? 0 : Buffer.byteLength(value)
}

/** Rows without what came later keep the MAC they had before it: the tag says which list of parts it is. */
function organisationParts(row: OrganisationColumns): Part[] {
  const { uuid, name, state, authHash, open = false, authExpiresAt, authUsesLeft, recovery } = row
  const later = [authExpiresAt?.toISOString(), authUsesLeft, recovery]
  if (!open && later.every((part) => part === undefined))
    return ['organisation', uuid, name, state, authHash, ...row.contacts]
  return ['organisation-2', uuid, name, state, authHash, String(open), ...later, ...row.contacts]
}

function clientParts(row: ClientColumns): Part[] {
  const { uuid, organisation, name, state, keyFingerprint, identityKey, recipient } = row
  const { recipientSignature, reenrolment } = row
  const parts = [uuid, organisation, name, state, keyFingerprint, identityKey, recipient]
  if (reenrolment === undefined)
    return ['client', ...parts, ...(recipientSignature === undefined ? [] : [recipientSignature])]
  const code = [reenrolment.hash, reenrolment.until.toISOString()]
  return ['client-2', ...parts, recipientSignature, ...code]
}

function depositParts(row: DepositColumns): Part[] {
  const { uuid, organisation, owner, handle, state, revision, undeleteUntil } = row
  const until = undeleteUntil?.toISOString()
  const parts = ['deposit', uuid, organisation, owner, handle, state, revision, until]
  // Rows without a policy keep the MAC they had before there were policies.
  const policy = formatPolicy(row.policy)
  return policy === undefined ? parts : [...parts, policy]
}

function groupParts({ uuid, organisation, name, members }: GroupColumns): Part[] {
  return ['group', uuid, organisation, name, ...members]
}

function requestParts(row: RequestColumns): Part[] {
  const { uuid, deposit, revision, organisation, client, clientKey, clientSignature } = row
  const of = [uuid, deposit, revision, organisation, client, clientKey, clientSignature]
  return ['retrieval-request', ...of, row.state, row.expiresAt.toISOString()]
}

/** The first 16 bytes as a version 8 uuid (RFC 9562 §5.8). */
function toUuid(mac: Buffer): Uuid {
  const bytes = Buffer.from(mac.subarray(0, 16))
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  const groups = [0, 8, 12, 16, 20, 32].map((end, index, ends) =>
    index === 0 ? '' : hex.slice(ends[index - 1], end),
  )
  return groups.slice(1).join('-') as Uuid
}
