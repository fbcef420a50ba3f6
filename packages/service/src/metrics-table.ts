/** The numbers that every service has: what the program registers and what docs/operations/metrics.md prints. */
import { meterTable } from './meters.js'

/** Seconds; from half a millisecond (a cached answer) to what a deadline allows. */
export const secondsBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30,
]

/** Rows that every service has. */
export const commonMeters = meterTable({
  requests: {
    kind: 'histogram',
    name: 'http_request_seconds',
    help: 'Time from the end of the headers to the end of the reply',
    labels: ['route', 'status'],
  },
  delayP50: {
    kind: 'gauge',
    name: 'event_loop_delay_p50_seconds',
    help: 'Median delay of the event loop',
  },
  delayP99: {
    kind: 'gauge',
    name: 'event_loop_delay_p99_seconds',
    help: '99th percentile of the delay of the event loop',
  },
})

/** Rows of every service that has an audit. */
export const auditMeters = meterTable({
  operations: {
    kind: 'counter',
    name: 'operations_total',
    help: 'Operations by their outcome in the audit',
    labels: ['operation', 'outcome'],
  },
  operationSeconds: {
    kind: 'histogram',
    name: 'operation_seconds',
    help: 'Time from the intent to the outcome of an operation, both on disk',
    labels: ['operation'],
  },
  auditSeconds: {
    kind: 'histogram',
    name: 'audit_append_seconds',
    help: 'How long an entry of the audit waits until it is on disk',
  },
  auditWaiting: {
    kind: 'gauge',
    name: 'audit_waiting_entries',
    help: 'Entries of the audit that are not on disk yet',
  },
  auditSequence: {
    kind: 'gauge',
    name: 'audit_entries',
    help: 'Sequence number of the last entry on disk',
  },
  auditUnsigned: {
    kind: 'gauge',
    name: 'audit_unsigned_entries',
    help: 'Entries after the last signed checkpoint',
  },
  auditCheckpointFailed: {
    kind: 'gauge',
    name: 'audit_checkpoint_failed',
    help: '1 after a checkpoint could not be signed or written, until one was; absent where none is signed',
  },
  auditHealthy: {
    kind: 'gauge',
    name: 'audit_healthy',
    help: '1 when the audit can be written, 0 when operations are refused for it',
  },
})

/** Rows of every service that has a log and certificates. */
export const serviceMeters = meterTable({
  logHealthy: {
    kind: 'gauge',
    name: 'log_healthy',
    help: '1 when the log is written and rolled, 0 when lines are lost or a file grows',
  },
  certificateExpiry: {
    kind: 'gauge',
    name: 'certificate_expires_timestamp_seconds',
    help: 'When a certificate ends, in seconds since 1970',
    labels: ['certificate'],
  },
  diskUsed: {
    kind: 'gauge',
    name: 'disk_used_ratio',
    help: 'Used part of the disk that a folder is on: audit, log, database',
    labels: ['folder'],
  },
})
