/** Certificates that end soon: said 60, 30 and 7 days ahead, and once they have ended. */
import type { Warning } from './warning.js'

const dayMs = 86_400_000
/** Days ahead at which it is said, the nearest first. */
const stages = [0, 7, 30, 60] as const

/** A certificate that somebody must renew in time. */
export interface ExpiringCertificate {
  /** Label in the metrics: `server`, `trusted-1a2b3c4d`. */
  readonly id: string
  /** As a sentence begins: `Key HSM’s own certificate`. */
  readonly what: string
  readonly expiresAt: Date
  /** The command that cures it. */
  readonly cure: string
  /** What its end does: `connections are refused`. */
  readonly effect: string
}

/** One warning for each certificate that ends within 60 days; the key of a warning changes with its stage. */
export function expiryWarnings(
  certificates: readonly ExpiringCertificate[],
  now: Date,
): readonly Warning[] {
  return certificates.flatMap((certificate) => {
    const daysLeft = daysUntil(certificate.expiresAt, now)
    const stage = stages.find((days) => daysLeft < days)
    if (stage === undefined) return []
    const { what, expiresAt } = certificate
    const key = `${what} ${expiresAt.getTime()} ${stage}`
    return [{ key, text: describeExpiry(certificate, daysLeft), details: { daysLeft } }]
  })
}

/** Whole days, rounded down; negative when it has ended. */
export function daysUntil(expiresAt: Date, now: Date): number {
  return Math.floor((expiresAt.getTime() - now.getTime()) / dayMs)
}

function describeExpiry(
  { what, expiresAt, cure, effect }: ExpiringCertificate,
  daysLeft: number,
): string {
  const day = expiresAt.toISOString().slice(0, 10)
  return daysLeft < 0
    ? `${what} expired on ${day}: ${effect}; run ${cure}`
    : `${what} expires in ${daysLeft} days, on ${day}; run ${cure}`
}
