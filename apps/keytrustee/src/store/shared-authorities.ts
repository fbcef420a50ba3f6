import type { Uuid } from '@keyhsm/core'

/** What servers that share a database keep of the authorities of clients; the bytes are sealed and prove themselves. */
export interface PublishedAuthorities {
  /** Grows by each change; the highest counts. */
  readonly sequence: number
  readonly sealed: Buffer
}

export interface SharedAuthorities {
  find(): Promise<PublishedAuthorities | undefined>
  /** @returns false when another state than that of `before` is there meanwhile. @throws ERR_STORE_UNAVAILABLE; ERR_CONFLICT */
  publish(next: PublishedAuthorities, before: number): Promise<boolean>
  /** Notes that `node` admits what `sequence` says. */
  take(node: Uuid, sequence: number): Promise<void>
  taken(): Promise<ReadonlyMap<Uuid, number>>
}
