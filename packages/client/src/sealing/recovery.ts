/**
 * The organisation's recovery recipient: clients seal for it besides, so that a lost client key need not lose content. Its
 * identity is kept offline, by people. The server only announces the recipient; a client seals for one whose fingerprint
 * it was given from elsewhere, or a compromised server could announce its own (docs/decisions/0057).
 */
import { createHash } from 'node:crypto'
import { DomainError, type Fingerprint } from '@keyhsm/core'
import { findRecipient, makeAgeIdentity } from './age-identity.js'

/** SHA-256 of the recipient's text: what people compare. */
export function fingerprintOfRecipient(recipient: string): Fingerprint {
  return createHash('sha256').update(recipient).digest('hex') as Fingerprint
}

/** A fresh identity as a file for people to keep: comments, and one line that is secret. */
export async function makeRecoveryIdentity(
  organisation: string,
  now = new Date(),
): Promise<{ readonly recipient: string; readonly file: string }> {
  const identity = await makeAgeIdentity()
  const recipient = await findRecipient(identity)
  if (recipient === undefined) throw new DomainError('ERR_INTERNAL', 'internal error')
  const lines = [
    `# recovery identity of organisation ${organisation}, made ${now.toISOString()}`,
    `# recipient: ${recipient}`,
    `# SHA-256 of the recipient: ${fingerprintOfRecipient(recipient)}`,
    identity,
  ]
  return { recipient, file: `${lines.join('\n')}\n` }
}

/** The age identities of a file: one a line, without comments and empty lines. */
export function parseIdentities(text: string): readonly string[] {
  const lines = text.split('\n').map((line) => line.trim())
  return lines.filter((line) => line !== '' && !line.startsWith('#'))
}
