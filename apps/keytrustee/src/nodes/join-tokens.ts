/**
 * One-time tokens for further servers, kept as hashes in the home: whoever has one and reaches this server gets the
 * installation's secrets, so it is used up durably before it is answered.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { DomainError, type Fingerprint, newUuid, parseFingerprint, type Uuid } from '@keyhsm/core'
import { writeFileAtomically } from '@keyhsm/service'
import { readOptionalText } from '../files.js'

interface KeptToken {
  readonly token: Uuid
  readonly secretHash: string
  readonly expiresAt: string
  readonly madeBy: string
}

/** What a token's text holds. */
export interface JoinToken {
  readonly token: Uuid
  readonly secret: string
  /** SHA-256 of the certificate that the inviting server shows. */
  readonly serverFingerprint: Fingerprint
}

const prefix = 'ktjoin1.'
/** More cannot be needed at once; the oldest give way. */
const maxTokens = 20

/** Makes one, to be shown once. @throws ERR_SETTINGS */
export async function makeJoinToken(
  file: string,
  o: { readonly now: Date; readonly validMs: number; readonly madeBy: string },
  serverFingerprint: Fingerprint,
): Promise<{ readonly text: string; readonly expiresAt: Date }> {
  const token = newUuid()
  const secret = randomBytes(32).toString('base64url')
  const expiresAt = new Date(o.now.getTime() + o.validMs)
  const kept = (await readTokens(file)).filter((row) => new Date(row.expiresAt) > o.now)
  const row = {
    token,
    secretHash: hashOf(secret),
    expiresAt: expiresAt.toISOString(),
    madeBy: o.madeBy,
  }
  await writeTokens(file, [...kept, row].slice(-maxTokens))
  const fields = JSON.stringify({ token, secret, serverFingerprint })
  return { text: `${prefix}${Buffer.from(fields).toString('base64url')}`, expiresAt }
}

/** @throws ERR_INVALID_INPUT naming `field` for a text that is no token */
export function parseJoinToken(text: string, field: string): JoinToken {
  try {
    if (!text.startsWith(prefix)) throw new Error('prefix')
    const fields = Buffer.from(text.slice(prefix.length), 'base64url').toString('utf8')
    const { token, secret, serverFingerprint } = JSON.parse(fields) as Record<string, unknown>
    if (typeof token !== 'string' || typeof secret !== 'string') throw new Error('fields')
    return {
      token: token as Uuid,
      secret,
      serverFingerprint: parseFingerprint(String(serverFingerprint)),
    }
  } catch (cause) {
    throw new DomainError('ERR_INVALID_INPUT', `${field} must hold a token of ktadmin join-token`, {
      cause,
      faults: [{ field, rule: 'must hold a token of ktadmin join-token' }],
    })
  }
}

type Shown = Pick<JoinToken, 'token' | 'secret'>

/** Whether it could be used now; it stays as it is. */
export async function isJoinToken(file: string, shown: Shown, now: Date): Promise<boolean> {
  return findToken(await readTokens(file), shown, now) !== undefined
}

/** Uses it up, durably. @throws ERR_NOT_AUTHENTICATED with one answer for one that is wrong, used or over */
export async function takeJoinToken(file: string, shown: Shown, now: Date): Promise<void> {
  const kept = await readTokens(file)
  const found = findToken(kept, shown, now)
  if (!found) throw unknownToken()
  await writeTokens(
    file,
    kept.filter((row) => row !== found),
  )
}

export function unknownToken(): DomainError {
  return new DomainError('ERR_NOT_AUTHENTICATED', 'the token is not known, used or over', {
    hints: ['make another one there: ktadmin join-token'],
  })
}

function findToken(
  kept: readonly KeptToken[],
  { token, secret }: Shown,
  now: Date,
): KeptToken | undefined {
  const found = kept.find((row) => row.token === token)
  const same = sameHash(found?.secretHash ?? '0'.repeat(64), hashOf(secret))
  return found && same && new Date(found.expiresAt) > now ? found : undefined
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

function sameHash(left: string, right: string): boolean {
  return timingSafeEqual(Buffer.from(left, 'hex'), Buffer.from(right, 'hex'))
}

async function readTokens(file: string): Promise<readonly KeptToken[]> {
  const text = await readOptionalText(file)
  if (text === undefined) return []
  try {
    return (JSON.parse(text) as { readonly tokens: readonly KeptToken[] }).tokens
  } catch (cause) {
    throw new DomainError('ERR_SETTINGS', 'join-tokens.json is damaged', {
      cause,
      hints: ['remove it: tokens that are not used yet must then be made again'],
    })
  }
}

async function writeTokens(file: string, tokens: readonly KeptToken[]): Promise<void> {
  await writeFileAtomically(file, `${JSON.stringify({ tokens })}\n`, 0o600)
}
