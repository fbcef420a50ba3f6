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
  seen: SeenAuthentications,
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
  return createNegotiator(entries, seen, clock)
}

/** `*` means every `HTTP/…`; a principal without a realm means it in any realm. */
function chooseEntries(entries: readonly KeytabEntry[], wanted: string): readonly KeytabEntry[] {
  return entries.filter(({ principal }) => {
    if (!principal.startsWith('HTTP/')) return false
    return wanted === '*' || principal === wanted || principal.startsWith(`${wanted}@`)
  })
}

/** Accepts each authentication once: `seen` outlives the negotiator, which a reload makes anew. */
export function createNegotiator(
  entries: readonly KeytabEntry[],
  seen: SeenAuthentications,
  clock: Clock,
): Negotiator {
  return {
    async accept(token) {
      const now = clock.now()
      const accepted = acceptOnce(token, entries, now)
      seen.add(accepted.id, now)
      return { principal: accepted.principal, reply: accepted.reply }
    },
  }
}

/** Which authentications were accepted, as long as their time would still be. */
export class SeenAuthentications {
  /** In the order of their coming. */
  readonly #at = new Map<string, number>()

  /** @throws ERR_NOT_AUTHENTICATED for one that was there; ERR_BUSY when too many are remembered */
  add(id: string, now: Date): void {
    this.#forgetOld(now.getTime())
    if (this.#at.has(id)) throw refused('Request is a replay')
    if (this.#at.size >= maxReplays)
      throw new DomainError('ERR_BUSY', 'too many authentications', { retryAfterMs: 1_000 })
    this.#at.set(id, now.getTime())
  }

  #forgetOld(now: number): void {
    for (const [id, at] of this.#at) {
      if (now - at < replayMs) return
      this.#at.delete(id)
    }
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

function refused(detail: string): DomainError {
  return new DomainError('ERR_NOT_AUTHENTICATED', detail)
}
