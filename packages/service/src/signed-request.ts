/** The checking side of an administrator's signed request: known key, right time, never seen before. */
import { type KeyObject, verify } from 'node:crypto'
import {
  parseRequestSignature,
  type SignableRequest,
  signatureWindowMs,
  signedMessage,
} from '@keyhsm/protocol'

/**
 * Remembers the signatures that were accepted for as long as their time would let them be accepted again. One a process:
 * signatures from before its start are refused, because what was accepted then is forgotten.
 */
export class ReplayWindow {
  readonly #startedMs: number
  readonly #maxRemembered: number
  /** Nonce → time of the signature, in the order of acceptance. */
  readonly #accepted = new Map<string, number>()

  constructor(startedAt: Date, maxRemembered = 100_000) {
    this.#startedMs = startedAt.getTime()
    this.#maxRemembered = maxRemembered
  }

  /** True once for each nonce whose time is near `now`; false ever after, and when too many are remembered. */
  accept(key: string, unixMs: number, now: Date): boolean {
    const nowMs = now.getTime()
    if (unixMs < this.#startedMs || Math.abs(nowMs - unixMs) > signatureWindowMs) return false
    this.#forget(nowMs)
    if (this.#accepted.has(key) || this.#accepted.size >= this.#maxRemembered) return false
    this.#accepted.set(key, unixMs)
    return true
  }

  #forget(nowMs: number): void {
    for (const [key, unixMs] of this.#accepted) {
      // Times may lie ahead of ours by one window, so the order of acceptance is only nearly that of time.
      if (nowMs - unixMs <= 2 * signatureWindowMs) break
      this.#accepted.delete(key)
    }
  }
}

/**
 * The administrator who signed this request just now, or undefined when nobody known did, or it was seen before.
 * @param request what was received; `path` as it was sent, with the query.
 * @param administrators Ed25519 public keys by name.
 */
// oxlint-disable-next-line max-params -- what was sent, who is known, when it is and what was seen before
export function verifySignedRequest(
  header: string | undefined,
  request: SignableRequest,
  administrators: ReadonlyMap<string, KeyObject>,
  now: Date,
  replay: ReplayWindow,
): string | undefined {
  const by = parseRequestSignature(header)
  const publicKey = by && administrators.get(by.name)
  if (by === undefined || publicKey?.asymmetricKeyType !== 'ed25519') return undefined
  if (!verify(null, signedMessage(request, by), publicKey, by.signature)) return undefined
  // Only after the signature, so that a stranger cannot fill the memory.
  return replay.accept(`${by.name}.${by.nonce}`, by.unixMs, now) ? by.name : undefined
}
