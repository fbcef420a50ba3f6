/**
 * How often auth secrets may be tried: per peer address and per organisation, in memory. Each try costs scrypt, so the
 * number running at once is bounded too.
 */
import { type Clock, DomainError } from '@keyhsm/core'

export interface AttemptLimits {
  /** Tries a peer address has, regained evenly over `windowMs`. */
  readonly perPeer: number
  /** The same for an organisation's name, known or not, over all peers. */
  readonly perOrganisation: number
  readonly windowMs: number
  /** Verifications at one time; more are refused. */
  readonly concurrent: number
}

export const attemptLimits: AttemptLimits = {
  perPeer: 20,
  perOrganisation: 200,
  windowMs: 60_000,
  concurrent: 8,
}

/** Names remembered at most; beyond it the one unused for longest is forgotten. */
const maxNames = 10_000

interface Bucket {
  left: number
  at: number
}

export interface AttemptLimit {
  /** Runs one verification if peer and organisation have tries left. A success costs none. @throws ERR_BUSY */
  attempt(
    of: { readonly peer: string; readonly organisation: string },
    verify: () => Promise<boolean>,
  ): Promise<boolean>
}

export function createAttemptLimit(clock: Clock, limits = attemptLimits): AttemptLimit {
  const peers = new Map<string, Bucket>()
  const organisations = new Map<string, Bucket>()
  let running = 0
  return {
    async attempt({ peer, organisation }, verify) {
      const now = clock.now().getTime()
      const buckets = [
        refilled(peers, peer, { most: limits.perPeer, now, windowMs: limits.windowMs }),
        refilled(organisations, organisation, {
          most: limits.perOrganisation,
          now,
          windowMs: limits.windowMs,
        }),
      ]
      if (buckets.some(({ left }) => left < 1)) throw tooOften(limits.windowMs)
      if (running >= limits.concurrent) throw tooOften(1000)
      running += 1
      // Taken before the work: parallel tries must not share one.
      for (const bucket of buckets) bucket.left -= 1
      try {
        const right = await verify()
        if (right) for (const bucket of buckets) bucket.left += 1
        return right
      } finally {
        running -= 1
      }
    },
  }
}

function refilled(
  buckets: Map<string, Bucket>,
  name: string,
  o: { readonly most: number; readonly now: number; readonly windowMs: number },
): Bucket {
  const before = buckets.get(name)
  if (!before && buckets.size >= maxNames) forgetOldest(buckets)
  // The same object stays: a verification under way gives its try back to it.
  const bucket = before ?? { left: o.most, at: o.now }
  const regained = (Math.max(0, o.now - bucket.at) * o.most) / o.windowMs
  bucket.left = Math.min(o.most, bucket.left + regained)
  bucket.at = o.now
  buckets.delete(name)
  buckets.set(name, bucket)
  return bucket
}

/** Maps keep the order of insertion and each use re-inserts, so the first name is the one unused for longest. */
function forgetOldest(buckets: Map<string, Bucket>): void {
  const oldest = buckets.keys().next().value
  if (oldest !== undefined) buckets.delete(oldest)
}

function tooOften(retryAfterMs: number): DomainError {
  return new DomainError('ERR_BUSY', 'too many attempts, try again later', { retryAfterMs })
}
