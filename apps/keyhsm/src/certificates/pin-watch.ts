/**
 * Which certificates of this Key HSM the trusted Trustee Servers accept, as they say with each describe: a new certificate
 * is shown only when all of them know it. Kept in memory; they say it again within seconds after a restart.
 */
import type { Fingerprint } from '@keyhsm/core'
import type { TrustList } from '../trust/trust-list.js'
import type { TrustedCertificate } from '../trust/trusted-certificate.js'

export class PinWatch {
  readonly #pins = new Map<Fingerprint, ReadonlySet<string>>()

  /** The holder of `publicKey` accepts these certificates, and no others. */
  note(publicKey: Fingerprint, pins: readonly string[]): void {
    this.#pins.set(publicKey, new Set(pins))
  }

  /** Trusted certificates whose holders have not said that they accept `fingerprint`. */
  waitingFor(trust: TrustList, fingerprint: Fingerprint): readonly TrustedCertificate[] {
    return trust.certificates.filter(
      ({ publicKey }) => this.#pins.get(publicKey)?.has(fingerprint) !== true,
    )
  }
}
