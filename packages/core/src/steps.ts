/**
 * Named steps of the operations that must survive a crash at any point. Reaching one costs nothing when nobody listens;
 * the crash tests listen on the channel and kill the process there.
 */
import { channel } from 'node:diagnostics_channel'

/** Every named step between the making of an HSM key and the acknowledgement of a deposit, in order. */
export const depositSteps = [
  'put:reserved',
  'put:intent-audited',
  'seal:intent-audited',
  'seal:key-created',
  'seal:key-proved',
  'seal:sealed',
  'seal:outcome-audited',
  'put:sealed',
  'put:inserted',
  'put:committed',
  'put:outcome-audited',
] as const

/** Every named step of a purge, in order. */
export const purgeSteps = ['purge:begun', 'purge:revoked'] as const

/** Every named step of sealing a sealed deposit anew, in order: in Key HSM. */
export const resealSteps = ['reseal:opened', 'reseal:verified'] as const

/** Every named step of moving deposits, in order; the last three belong to its ends. */
export const migrationSteps = [
  'migrate:ordered',
  'migrate:intent-audited',
  'migrate:resealed',
  'migrate:swapped',
  'migrate:outcome-audited',
  'migrate:moved',
  'migrate:swapped-back',
  'migrate:revoked',
  'migrate:dropped',
] as const

/** Every named step between the two changes of a purge of zone keys by a Hadoop KMS, in order. */
export const keyPurgeSteps = ['key:purge-marked', 'key:version-purged'] as const

/** Every named step of a change of a zone key by a Hadoop KMS, in order. */
export const keyChangeSteps = [
  'key:intent-audited',
  'key:sealed',
  'key:written',
  'key:outcome-audited',
] as const

export type DepositStep =
  | (typeof depositSteps)[number]
  | (typeof purgeSteps)[number]
  | (typeof migrationSteps)[number]
  | (typeof keyChangeSteps)[number]
  | (typeof keyPurgeSteps)[number]
  | (typeof resealSteps)[number]

const steps = channel('keyhsm:step')

/** Says that the operation has come to `step`. */
export function reached(step: DepositStep): void {
  if (steps.hasSubscribers) steps.publish(step)
}
