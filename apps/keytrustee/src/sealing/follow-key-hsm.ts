/**
 * What a joined Key HSM says of itself may change. It rolls its certificate: it announces the next one over the trusted connection,
 * this server accepts both, and when the next one is in use the one before is dropped. And its scope is a setting, by which this
 * server knows whether a put makes an HSM key. The decisions, without any input or output.
 */
import { X509Certificate } from 'node:crypto'
import { fingerprintOf, type PartitionDescription } from '@keyhsm/client'
import { acceptedCertificates, type Joined } from './join-file.js'

/** Fingerprints of what this server accepts, to be said with each describe. */
export function pinsOf(joined: Joined): string[] {
  return acceptedCertificates(joined).map((pem) => fingerprintOf(new X509Certificate(pem)))
}

/** What to record from now on; undefined when nothing changes. An announcement that is no usable certificate changes nothing. */
export function followKeyHsm(
  joined: Joined,
  partition: Pick<PartitionDescription, 'certificateFingerprint' | 'nextCertificate' | 'scope'>,
): Joined | undefined {
  const followed = followCertificate(joined, partition)
  const { scope } = partition
  return scope === joined.scope ? followed : { ...(followed ?? joined), scope }
}

function followCertificate(
  joined: Joined,
  {
    certificateFingerprint,
    nextCertificate,
  }: Pick<PartitionDescription, 'certificateFingerprint' | 'nextCertificate'>,
): Joined | undefined {
  const { nextServerCertificate: known, ...rest } = joined
  if (known !== undefined && certificateFingerprint === fingerprint(known)) {
    return { ...rest, serverCertificate: known }
  }
  if (nextCertificate === undefined) return undefined
  const next = parseLeaf(nextCertificate)
  if (!next || pinsOf(joined).includes(fingerprintOf(next))) return undefined
  return { ...joined, nextServerCertificate: next.toString() }
}

function fingerprint(pem: string): string {
  return fingerprintOf(new X509Certificate(pem))
}

/** The first certificate of the text; undefined when it is none, or an authority: that would admit others. */
function parseLeaf(pem: string): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(pem)
    return certificate.ca ? undefined : certificate
  } catch {
    return undefined
  }
}
