/** Client-side sealing: what leaves this machine is an age file that only its readers open. */
import type { KeyObject } from 'node:crypto'
import { type Handle, invalidInput, type Uuid } from '@keyhsm/core'
import type { Encrypter } from 'age-encryption'
import { kindOfRecipients, type RecipientKind } from './recipients.js'
import { digestOf, formatSignedContent, type Statement, signStatement } from './statement.js'
import { rawWriterKey } from './writer-key.js'

export interface SealingOrder {
  readonly organisation: Uuid
  readonly handle: Handle
  /** Ed25519 private key. */
  readonly writer: KeyObject
  /** age recipients of everyone who shall read it; fixed from here on. */
  readonly recipients: readonly string[]
  /** The writer's own hybrid identity (secret), when the writer is one of the readers: it opens the faster then. */
  readonly owner?: string | undefined
  readonly writtenAt: Date
}

/**
 * Signs and encrypts `content`.
 * @throws ERR_INVALID_INPUT for recipients that are none or of two kinds.
 * @example
 * const sealed = await sealForReaders(content, { organisation, handle, writer, recipients, writtenAt: new Date() })
 */
export async function sealForReaders(content: Uint8Array, order: SealingOrder): Promise<Buffer> {
  const kind = kindOfRecipients(order.recipients)
  const { organisation, handle, writtenAt } = order
  const statement: Statement = {
    organisation,
    handle,
    writtenAt,
    contentDigest: digestOf(content),
    writer: rawWriterKey(order.writer),
  }
  const signed = formatSignedContent(statement, signStatement(statement, order.writer), content)
  try {
    return await encryptFor[kind](signed, order)
  } finally {
    signed.fill(0)
  }
}

const encryptFor: Readonly<
  Record<RecipientKind, (plain: Uint8Array, order: SealingOrder) => Promise<Buffer>>
> = {
  async hybrid(plain, { recipients, owner }) {
    const { sealHybrid } = await import('./hybrid-content.js')
    return withRecipients(() => sealHybrid(plain, recipients, owner))
  },
  async x25519(plain, { recipients }) {
    const { Encrypter } = await import('age-encryption')
    const encrypter = new Encrypter()
    for (const recipient of recipients) addRecipient(encrypter, recipient)
    return Buffer.from(await encrypter.encrypt(plain))
  },
}

/** @throws ERR_INVALID_INPUT for a recipient with a typing error. */
export function addRecipient(encrypter: Encrypter, recipient: string): void {
  withRecipients(() => encrypter.addRecipient(recipient))
}

function withRecipients<Result>(use: () => Result): Result {
  try {
    return use()
  } catch {
    throw invalidInput('recipients', 'must be age recipients without a typing error')
  }
}

/** First line of every age file. @see https://age-encryption.org/v1 */
const ageMagic = Buffer.from('age-encryption.org/v1\n')

/** Whether `bytes` claim to be an age file; says nothing about who may open it. */
export function isAgeFile(bytes: Uint8Array): boolean {
  return ageMagic.equals(bytes.subarray(0, ageMagic.length))
}
