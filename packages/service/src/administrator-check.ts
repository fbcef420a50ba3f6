/** Administrators on a control port or socket, by the signature of each request. */
import { createHash, type KeyObject } from 'node:crypto'
import type { Clock, Fingerprint } from '@keyhsm/core'
import { signatureHeader } from '@keyhsm/protocol'
import type { Identity, Peer } from './http-server.js'
import { ReplayWindow, verifySignedRequest } from './signed-request.js'

/** Checks the signatures of one control socket. */
export class AdministratorCheck {
  readonly #clock: Clock
  readonly #replay: ReplayWindow

  constructor(clock: Clock) {
    this.#clock = clock
    this.#replay = new ReplayWindow(clock.now())
  }

  /** The administrator who signed this request; undefined when nobody known did. */
  identify(peer: Peer, administrators: ReadonlyMap<string, KeyObject>): Identity | undefined {
    const name = verifySignedRequest(
      peer.headers[signatureHeader],
      { method: peer.method, path: peer.path, body: peer.rawBody },
      administrators,
      this.#clock.now(),
      this.#replay,
    )
    const key = name === undefined ? undefined : administrators.get(name)
    if (name === undefined || !key) return undefined
    const spki = key.export({ type: 'spki', format: 'der' })
    const fingerprint = createHash('sha256').update(spki).digest('hex') as Fingerprint
    return { kind: 'administrator', name, fingerprint }
  }
}
