/** The connection to a Key HSM, made from what a join file says. */
import { KeyHsmClient, type RetryPolicy, Transport } from '@keyhsm/client'
import { createKeyHsmSealer } from './key-hsm-sealer.js'
import { acceptedCertificates, type Joined } from './join-file.js'
import type { Sealer } from './sealer.js'

export interface KeyHsmLink {
  readonly joined: Joined
  readonly calls: KeyHsmClient
  readonly sealer: Sealer
}

/** What is needed to reach a Key HSM, before it is known which partition it has. */
export type KeyHsmAddress = Pick<
  Joined,
  | 'url'
  | 'serverCertificate'
  | 'nextServerCertificate'
  | 'clientCertificate'
  | 'clientKey'
  | 'passphrase'
>

/** Opens are repeated once: harmless there, and a Key HSM that restarts closes its kept connections. */
const reads: RetryPolicy = { attempts: 2, pauseMs: 50, maxPauseMs: 100 }

/** Connects on its first call. @throws ERR_INVALID_INPUT for a URL or a certificate that cannot be used. */
export function connectKeyHsm(
  address: KeyHsmAddress,
  o: { readonly retry: boolean },
): KeyHsmClient {
  const transport = new Transport({
    url: address.url,
    tls: {
      ca: acceptedCertificates(address),
      cert: address.clientCertificate,
      key: address.clientKey,
      passphrase: address.passphrase,
    },
    connections: 64,
  })
  return o.retry ? new KeyHsmClient(transport, reads) : new KeyHsmClient(transport)
}

export function openLink(joined: Joined): KeyHsmLink {
  return linkOver(connectKeyHsm(joined, { retry: true }), joined)
}

/**
 * The link to the same Key HSM, of which something else is recorded now. Both use the same connections, so that a request that
 * took the link before accepts the certificate that Key HSM shows by then.
 */
export function continueLink(before: KeyHsmLink, joined: Joined): KeyHsmLink {
  before.calls.pin(acceptedCertificates(joined))
  return linkOver(before.calls, joined)
}

function linkOver(calls: KeyHsmClient, joined: Joined): KeyHsmLink {
  return { joined, calls, sealer: createKeyHsmSealer(calls, joined, joined.scope) }
}
