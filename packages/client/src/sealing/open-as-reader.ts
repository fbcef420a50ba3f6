/** The reverse of sealing: no byte is returned before handle, organisation, writer and content are checked. */
import { timingSafeEqual } from 'node:crypto'
import { DomainError, type Fingerprint, type Handle, type Uuid } from '@keyhsm/core'
import { Recent } from './recent.js'
import { digestOf, isSignedByWriter, parseSignedContent, type Statement } from './statement.js'
import { identityFingerprintOfRaw, parseWriterPin } from './writer-key.js'

const pins = new Recent<Fingerprint>(256)
const hybridPrefix = 'AGE-SECRET-KEY-PQ-1'

export interface OpeningOrder {
  readonly organisation: Uuid
  readonly handle: Handle
  /** age identities (secret) of the reader. */
  readonly identities: readonly string[]
  /** Identity keys (SPKI, base64) of the writers that this reader believes, or their SHA-256 fingerprints. */
  readonly writers: readonly string[]
}

export interface OpenedContent {
  readonly content: Buffer
  readonly statement: Statement
}

/**
 * @throws ERR_INTEGRITY when this reader cannot open it, when it was changed, when it belongs to another handle or
 * organisation, or when its writer is not one of `writers`. ERR_SETTINGS when an identity of ours is none.
 */
export async function openAsReader(
  sealed: Uint8Array,
  order: OpeningOrder,
): Promise<OpenedContent> {
  const signed = parseSignedContent(await decrypt(sealed, order.identities))
  if (!signed || !isSignedByWriter(signed)) throw notOurs()
  const { statement, content } = signed
  if (!timingSafeEqual(digestOf(content), statement.contentDigest)) throw notOurs()
  if (statement.organisation !== order.organisation || statement.handle !== order.handle)
    throw new DomainError(
      'ERR_INTEGRITY',
      'the content was deposited under another handle or in another organisation',
    )
  if (!isPinned(statement.writer, order.writers)) throw unknownWriter(statement.writer)
  return { content, statement }
}

async function decrypt(sealed: Uint8Array, identities: readonly string[]): Promise<Buffer> {
  const isHybrid = (identity: string) => identity.startsWith(hybridPrefix)
  const others = identities.filter((identity) => !isHybrid(identity))
  const openers = [
    await openerOfHybrids(identities.filter(isHybrid)),
    ...(others.length === 0 ? [] : [await openerOfOthers(others)]),
  ]
  try {
    for (const open of openers) {
      const content = await open(sealed)
      if (content) return content
    }
  } catch (error) {
    throw notOurs(error)
  }
  throw notOurs()
}

type Opener = (sealed: Uint8Array) => Buffer | undefined | Promise<Buffer>

/** The fast way, for the identities that clients have. */
async function openerOfHybrids(identities: readonly string[]): Promise<Opener> {
  const { openHybrid, readHybridIdentity } = await import('./hybrid-content.js')
  const read = usable(() => identities.map(readHybridIdentity))
  return (sealed) => openHybrid(sealed, read)
}

async function openerOfOthers(identities: readonly string[]): Promise<Opener> {
  const { Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  usable(() => {
    for (const identity of identities) decrypter.addIdentity(identity)
  })
  return async (sealed) => {
    const bytes = await decrypter.decrypt(sealed)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

function usable<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    throw new DomainError('ERR_SETTINGS', 'the age identity of this client is not usable', {
      cause: error,
    })
  }
}

function isPinned(writer: Buffer, writers: readonly string[]): boolean {
  const fingerprint = identityFingerprintOfRaw(writer)
  return writers.some(
    (pinned) => pins.find(pinned, (text) => parseWriterPin(text, 'writers')) === fingerprint,
  )
}

/** One text for all: which of them it was helps only whoever changed it. */
function notOurs(cause?: unknown): DomainError {
  return new DomainError(
    'ERR_INTEGRITY',
    'the content was not sealed for this client, or it was changed',
    { cause },
  )
}

function unknownWriter(writer: Buffer): DomainError {
  const fingerprint = identityFingerprintOfRaw(writer)
  return new DomainError('ERR_INTEGRITY', 'the content was not written by a pinned writer', {
    hints: [`SHA-256 of the writer's identity key: ${fingerprint}`],
  })
}
