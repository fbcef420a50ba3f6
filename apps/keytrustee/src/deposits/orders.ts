/** Requests to store, checked: what the rest of `deposits/` works on. */
import {
  DomainError,
  type Fingerprint,
  type Handle,
  invalidInput,
  parseHandle,
  type Uuid,
} from '@keyhsm/core'
import { decodeBase64, type PolicyField, type TrusteesField } from '@keyhsm/protocol'
import { formatPolicy, type Policy } from '../policies/policy.js'
import type { Trustees } from '../policies/trustees.js'
import { type Grants, macText, type Part } from '../grants.js'
import type { Scope } from '../sealing/sealer.js'

export interface PutOrder {
  readonly handle: Handle
  readonly content: Buffer
  readonly scope: Scope | undefined
  /** `If-None-Match: *`: refuse to replace. */
  readonly onlyNew: boolean
  /** `If-Match`: replace exactly this revision. */
  readonly replaces: number | undefined
  /** Set with the put; undefined keeps what was laid down. */
  readonly policy?: { readonly to: Policy | undefined }
  /** The same for trustees. */
  readonly trustees?: { readonly to: Trustees | undefined }
}

export interface StoreRequest {
  readonly operation: 'put' | 'put-batch'
  readonly requestId: Uuid
  readonly puts: readonly PutOrder[]
  readonly removes: readonly Handle[]
}

/** One put as it came over the wire. */
export interface RawPut {
  readonly handle: string
  readonly content: string
  readonly scope?: Scope
  readonly ifNoneMatch?: '*'
  readonly ifMatch?: number
  readonly policy?: PolicyField
  readonly trustees?: TrusteesField
}

/**
 * What sealing on the client may add: an age header with its recipients, the signed statement, 16 bytes a 64 KiB chunk.
 * The limit is on what the person deposits.
 */
export const clientSealingBytes = 64 * 1024
/** First line of the age format. @see https://age-encryption.org/v1 */
const ageHeader = Buffer.from('age-encryption.org/v1\n')

/** @throws ERR_INVALID_INPUT naming the field; ERR_TOO_LARGE above `maxBytes` of content. */
export function parsePut(raw: RawPut, maxBytes: number): PutOrder {
  const handle = parseHandle(raw.handle)
  if (raw.ifNoneMatch !== undefined && raw.ifMatch !== undefined)
    throw invalidInput('ifMatch', 'cannot be combined with ifNoneMatch')
  // Base64 of more than the limit is refused before it is decoded.
  const most = maxBytes + clientSealingBytes
  if (raw.content.length > Math.ceil(most / 3) * 4) throw contentTooLarge(maxBytes)
  const content = decodeBase64(raw.content, 'content')
  if (content.length > (isClientSealed(content) ? most : maxBytes)) throw contentTooLarge(maxBytes)
  return {
    handle,
    content,
    scope: raw.scope,
    onlyNew: raw.ifNoneMatch !== undefined,
    replaces: raw.ifMatch,
  }
}

/** Conditions of a single put (RFC 9110 §13.1.1, §13.1.2): `If-None-Match: *`, `If-Match: "3"`. @throws ERR_INVALID_INPUT */
export function parseConditions(headers: Readonly<Record<string, string | undefined>>): {
  readonly ifNoneMatch?: '*'
  readonly ifMatch?: number
} {
  const none = headers['if-none-match']
  const match = headers['if-match']
  if (none !== undefined && none !== '*') throw invalidInput('If-None-Match', 'must be *')
  const revision = match === undefined ? undefined : /^"(\d{1,9})"$/.exec(match)?.[1]
  if (match !== undefined && (revision === undefined || Number(revision) < 1))
    throw invalidInput('If-Match', 'must be one revision in quotes, such as "3"')
  return {
    ...(none === undefined ? {} : { ifNoneMatch: '*' }),
    ...(revision === undefined ? {} : { ifMatch: Number(revision) }),
  }
}

/** @throws ERR_INVALID_INPUT when a handle stands twice: the order within a batch means nothing. */
export function requireDistinctHandles(
  puts: readonly PutOrder[],
  removes: readonly Handle[],
): void {
  const handles = [...puts.map(({ handle }) => handle), ...removes]
  if (new Set(handles).size !== handles.length)
    throw invalidInput('puts', 'must name each handle once, removes included')
}

/**
 * What a request id stands for. A MAC, not a plain hash: the database holds it, and a hash of a short content could be
 * guessed from there.
 */
export function requestHash(grants: Grants, request: StoreRequest): Fingerprint {
  const puts = request.puts.flatMap((put): Part[] => [
    put.handle,
    put.content,
    put.scope,
    put.onlyNew ? 1 : 0,
    put.replaces,
    ...(put.policy === undefined ? [] : ['policy', formatPolicy(put.policy.to)]),
    ...(put.trustees === undefined ? [] : ['trustees', JSON.stringify(put.trustees.to)]),
  ])
  return macText(
    grants.mac('request', [request.operation, request.puts.length, ...puts, ...request.removes]),
  )
}

function isClientSealed(content: Buffer): boolean {
  return content.subarray(0, ageHeader.length).equals(ageHeader)
}

function contentTooLarge(maxBytes: number): DomainError {
  return new DomainError('ERR_TOO_LARGE', `content must be at most ${maxBytes} bytes`, {
    faults: [{ field: 'content', rule: `must be at most ${maxBytes} bytes` }],
  })
}
