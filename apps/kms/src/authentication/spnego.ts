/** SPNEGO for the API: which keys are used, and each authentication only once. @see docs/decisions/0063-kerberos.md */
import { readFile } from 'node:fs/promises'
import { type Clock, DomainError, hasCode } from '@keyhsm/core'
import type { KmsSite } from '../configuration/kms-site.js'
import { acceptRequest } from '../kerberos/accept-request.js'
import { type KeytabEntry, parseKeytab } from '../kerberos/keytab.js'
import { readNegotiation } from '../kerberos/negotiation.js'
import type { Negotiator } from './authenticator.js'

/** Twice what clocks may differ by: an older authentication is refused by its time. */
const replayMs = 600_000
const maxReplays = 100_000

/** Undefined where authentication is not by Kerberos. @throws ERR_SETTINGS when the keytab cannot be used. */
export async function openNegotiator(
  { authentication }: KmsSite,
  clock: Clock,
): Promise<Negotiator | undefined> {
  const { type, keytab, principal } = authentication
  if (type !== 'kerberos') return undefined
  if (keytab === undefined)
    throw new DomainError('ERR_SETTINGS', 'hadoop.kms.authentication.kerberos.keytab is missing')
  const bytes = await readFile(keytab).catch((cause: unknown) => {
    throw new DomainError('ERR_SETTINGS', 'the keytab cannot be read', { cause })
  })
  const entries = chooseEntries(parseKeytab(bytes), principal)
  if (entries.length === 0)
    throw new DomainError('ERR_SETTINGS', `the keytab has no AES key for ${principal}`, {
      hints: [
        'hadoop.kms.authentication.kerberos.principal may be * for every HTTP/… of the keytab',
      ],
    })
  return createNegotiator(entries, clock)
}

/** `*` means every `HTTP/…`; a principal without a realm means it in any realm. */
function chooseEntries(entries: readonly KeytabEntry[], wanted: string): readonly KeytabEntry[] {
  return entries.filter(({ principal }) => {
    if (!principal.startsWith('HTTP/')) return false
    return wanted === '*' || principal === wanted || principal.startsWith(`${wanted}@`)
  })
}

/** Accepts each authentication once. */
export function createNegotiator(entries: readonly KeytabEntry[], clock: Clock): Negotiator {
  const seen = new Map<string, number>()
  return {
    async accept(token) {
      const now = clock.now()
      const accepted = acceptOnce(token, entries, now)
      forgetOld(seen, now.getTime())
      if (seen.has(accepted.id)) throw refused('Request is a replay')
      if (seen.size >= maxReplays)
        throw new DomainError('ERR_BUSY', 'too many authentications', { retryAfterMs: 1_000 })
      seen.set(accepted.id, now.getTime())
      return { principal: accepted.principal, reply: accepted.reply }
    },
  }
}

function acceptOnce(token: Buffer, entries: readonly KeytabEntry[], now: Date) {
  try {
    const { apReq, wrapReply } = readNegotiation(token)
    const { principal, reply, id } = acceptRequest(apReq, entries, now)
    return { principal, id, reply: wrapReply(reply) }
  } catch (error) {
    if (hasCode(error, 'ERR_INVALID_INPUT')) throw refused('Defective token detected')
    throw error
  }
}

/** They are in the order of their coming. */
function forgetOld(seen: Map<string, number>, now: number): void {
  for (const [id, at] of seen) {
    if (now - at < replayMs) return
    seen.delete(id)
  }
}

function refused(detail: string): DomainError {
  return new DomainError('ERR_NOT_AUTHENTICATED', detail)
}
