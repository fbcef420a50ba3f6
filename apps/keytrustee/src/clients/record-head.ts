/** Clients that keep an audit of their own, as a KMS does, leave its heads here: cut there, it can be missed here. */
import { DomainError, type Uuid } from '@keyhsm/core'
import type { Caller, Trustee } from '../trustee.js'

export interface ClientHead {
  /** 16 hex digits. */
  readonly log: string
  readonly sequence: number
  readonly hash: string
}

const windowMs = 60_000
/** A KMS sends one a minute; several instances are one client. Each costs an entry of the audit. */
const perWindow = 30

/** Bounds what one client can write. */
export class HeadsOfClients {
  #counts = new Map<Uuid, number>()
  #since = 0

  /** Recorded under the client's uuid: nobody speaks for another's log. @throws ERR_BUSY when too often; ERR_AUDIT_UNAVAILABLE */
  async record(
    { audit, clock }: Pick<Trustee, 'clock'> & { readonly audit: Anchoring },
    { client }: Pick<Caller, 'client'>,
    { log, sequence, hash }: ClientHead,
  ): Promise<void> {
    const now = clock.now().getTime()
    if (now - this.#since >= windowMs) {
      this.#counts = new Map()
      this.#since = now
    }
    const count = this.#counts.get(client.uuid) ?? 0
    if (count >= perWindow)
      throw new DomainError('ERR_BUSY', 'the head of an audit is recorded once a minute', {
        retryAfterMs: this.#since + windowMs - now,
      })
    this.#counts.set(client.uuid, count + 1)
    await audit.anchor(`client/${log}@${client.uuid}`, sequence, hash)
  }
}

interface Anchoring {
  anchor(peer: string, sequence: number, hash: string): Promise<unknown>
}
