import type { Fingerprint, Uuid } from '@keyhsm/core'

/** How the Key HSM of a server is, as that server says. */
export interface NodeKeyHsm {
  readonly healthy: boolean
  readonly detail: string
}

/** Every copy of the database and every server of the installation, as seen from here. */
export interface Installation {
  readonly mode: 'writer' | 'reader' | 'none'
  readonly detail: string
  /** A commit is on two machines before it is acknowledged. */
  readonly noLoss: boolean
  /** There are several copies or servers: then losing one must lose nothing. */
  readonly asksForNoLoss: boolean
  /** The highest seen. */
  readonly timeline: number | undefined
  /** This server's own node. */
  readonly own: Uuid
  readonly hosts: readonly {
    readonly place: string
    readonly role: 'primary' | 'standby' | 'unreachable'
    readonly timeline?: number
    readonly ageMs?: number
    readonly synchronous?: boolean
    readonly fault?: string
  }[]
  readonly nodes: readonly {
    readonly node: Uuid
    readonly name: string
    readonly url: string
    readonly serverFingerprint: Fingerprint
    readonly version: string
    readonly ageMs: number
    readonly keyHsm?: NodeKeyHsm
  }[]
}
