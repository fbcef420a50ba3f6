/** Certificates that end soon: Key HSM's own, and those it trusts. Said in status and log 60, 30 and 7
 * days ahead; the metrics have the date of each. */
import { X509Certificate } from 'node:crypto'
import type { Clock } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import type { LiveState } from '../service/live-state.js'

const dayMs = 86_400_000
/** Days ahead at which it is said, the nearest first. */
const stages = [0, 7, 30, 60] as const

export interface Expiry {
  /** `own`, or the subject and realm of a trusted certificate. */
  readonly what: string
  readonly expiresAt: Date
  /** Rounded down; negative when it has ended. */
  readonly daysLeft: number
  /** The stage that was reached; undefined while there is time. */
  readonly stage: (typeof stages)[number] | undefined
  /** The command that cures it. */
  readonly cure: string
}

export type Certificates = Pick<LiveState, 'keystore' | 'trust'>

/** Every certificate with the time it has left. */
export function findExpiries({ keystore, trust }: Certificates, now: Date): Expiry[] {
  const own = new X509Certificate(keystore.certificate)
  return [
    toExpiry(own, 'Key HSM’s own certificate', 'keyhsm cert renew', now),
    ...trust.certificates.map(({ certificate, realm }) => {
      const subject = certificate.subject.replaceAll('\n', ', ')
      const what = `the trusted certificate of ${subject} (realm ${realm})`
      return toExpiry(certificate, what, `keyhsm trust NEW-CERT --realm ${realm}`, now)
    }),
  ]
}

/** One line for each certificate that ends within 60 days. */
export function expiryWarnings(certificates: Certificates, now: Date): string[] {
  return findExpiries(certificates, now)
    .filter(({ stage }) => stage !== undefined)
    .map(describeExpiry)
}

/** Says each stage once, at the start and then every hour. @returns ends it. */
export function watchExpiries(o: {
  readonly live: () => Certificates
  readonly clock: Clock
  readonly log: Pick<Log, 'warn'>
}): () => void {
  const said = new Set<string>()
  const look = () => {
    for (const expiry of findExpiries(o.live(), o.clock.now())) {
      const key = `${expiry.what} ${expiry.expiresAt.getTime()} ${expiry.stage}`
      if (expiry.stage === undefined || said.has(key)) continue
      said.add(key)
      o.log.warn({ daysLeft: expiry.daysLeft }, describeExpiry(expiry))
    }
  }
  look()
  const timer = setInterval(look, 3_600_000)
  timer.unref()
  return () => clearInterval(timer)
}

function toExpiry(certificate: X509Certificate, what: string, cure: string, now: Date): Expiry {
  const expiresAt = new Date(certificate.validTo)
  const daysLeft = Math.floor((expiresAt.getTime() - now.getTime()) / dayMs)
  return { what, expiresAt, daysLeft, cure, stage: stages.find((days) => daysLeft < days) }
}

function describeExpiry({ what, expiresAt, daysLeft, cure }: Expiry): string {
  const day = expiresAt.toISOString().slice(0, 10)
  return daysLeft < 0
    ? `${what} expired on ${day}: connections are refused; run ${cure}`
    : `${what} expires in ${daysLeft} days, on ${day}; run ${cure}`
}
