/**
 * Trustees: m of the keys in a sealed header must have signed this very retrieval. Verified here and not only where it was
 * asked for, so that a Trustee Server in wrong hands cannot do without them.
 * @see docs/formats/approval.md
 */
import { type Clock, DomainError } from '@keyhsm/core'
import type { SealContext, Trustees } from '@keyhsm/envelope'
import { isRetrievalSigned, type RetrievalStatement } from '@keyhsm/protocol'

/** A request as a Trustee Server hands it on. */
export interface Approval {
  /** Uuids. */
  readonly request: string
  readonly client: string
  /** Raw Ed25519. */
  readonly clientKey: Buffer
  readonly clientSignature: Buffer
  readonly expiresAt: Date
  readonly approvals: readonly { readonly key: Buffer; readonly signature: Buffer }[]
}

/** No request may be good for longer. */
const maxAheadMs = 31 * 86400_000
/** Requests remembered at most; each is forgotten when it expires. */
const maxRemembered = 100_000

/** Requests that were used; lost with the process, which the Trustee Server's own memory is not. */
export class UsedRequests {
  readonly #clock: Clock
  /** When each expires, by its uuid. */
  readonly #used = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Uses a request up. @returns gives it back, for when nothing was released. @throws ERR_NOT_ALLOWED, ERR_BUSY */
  take({ request, expiresAt }: Pick<Approval, 'request' | 'expiresAt'>): () => void {
    if (this.#used.has(request)) throw refused('the approvals of this request were used')
    if (this.#used.size >= maxRemembered) this.#forgetExpired()
    if (this.#used.size >= maxRemembered)
      throw new DomainError('ERR_BUSY', 'too many approved requests are remembered')
    this.#used.set(request, expiresAt.getTime())
    return () => this.#used.delete(request)
  }

  #forgetExpired(): void {
    const now = this.#clock.now().getTime()
    for (const [request, expires] of this.#used) if (expires <= now) this.#used.delete(request)
  }
}

/** @throws ERR_NOT_ALLOWED with what is missing. */
export function requireApproval(
  trustees: Trustees,
  context: SealContext,
  approval: Approval | undefined,
  now: Date,
): void {
  if (!approval) throw refused('trustees must approve the retrieval of this deposit')
  const { organisation, deposit, revision } = context
  const { client, clientKey, request, expiresAt } = approval
  const aheadMs = expiresAt.getTime() - now.getTime()
  if (!(aheadMs > 0 && aheadMs <= maxAheadMs)) throw refused('the request is expired')
  const of = { organisation, deposit, revision }
  const statement: RetrievalStatement = { ...of, client, clientKey, request, expiresAt }
  const asked = { key: clientKey, signature: approval.clientSignature }
  if (!isRetrievalSigned(statement, 'request', asked))
    throw refused('the request is not signed by the client that it names')
  const approved = trustees.keys.filter(
    (key) =>
      !key.equals(clientKey) &&
      approval.approvals.some(
        (given) => given.key.equals(key) && isRetrievalSigned(statement, 'approval', given),
      ),
  )
  if (approved.length < trustees.required)
    throw refused(`${approved.length} of ${trustees.required} trustees have approved`)
}

function refused(detail: string): DomainError {
  return new DomainError('ERR_NOT_ALLOWED', detail)
}
