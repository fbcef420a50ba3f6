/** The numbers of Key HSM about its devices, as a table. Those of every service are in `@keyhsm/service`. */
import { meterTable } from '@keyhsm/service'

export const hsmMeters = meterTable({
  calls: {
    kind: 'histogram',
    name: 'hsm_call_seconds',
    help: 'Time of a call to the HSM, waiting for a session included',
    labels: ['backend', 'call'],
  },
  errors: {
    kind: 'counter',
    name: 'hsm_errors_total',
    help: 'Failed calls to the HSM by class: transient, busy, login, full, missing, conflict, integrity, refused, unsupported, other',
    labels: ['backend', 'call', 'class'],
  },
  ready: {
    kind: 'gauge',
    name: 'hsm_ready',
    help: '1 when the last look found the device and our partition, else 0',
    labels: ['backend'],
  },
  roundTrip: {
    kind: 'gauge',
    name: 'hsm_round_trip_seconds',
    help: 'Round trip of the last look at the device',
    labels: ['backend'],
  },
  sessions: {
    kind: 'gauge',
    name: 'hsm_sessions',
    help: 'Sessions that are held on the device',
    labels: ['backend'],
  },
  breaker: {
    kind: 'gauge',
    name: 'hsm_breaker_open',
    help: '1 while the device is left alone because it failed too often',
    labels: ['backend'],
  },
  keys: {
    kind: 'gauge',
    name: 'hsm_keys',
    help: 'Keys in the partition',
    labels: ['backend'],
  },
  keyLimit: {
    kind: 'gauge',
    name: 'hsm_key_limit',
    help: 'Most keys: the setting, else what the device says; absent where neither does',
    labels: ['backend'],
  },
  memory: {
    kind: 'gauge',
    name: 'hsm_memory_bytes',
    help: 'Room for keys in the device; absent where it does not tell',
    labels: ['backend'],
  },
  memoryFree: {
    kind: 'gauge',
    name: 'hsm_memory_free_bytes',
    help: 'Of that, what is free',
    labels: ['backend'],
  },
  full: {
    kind: 'gauge',
    name: 'hsm_full',
    help: '1 when no new HSM keys are made for lack of room',
    labels: ['backend'],
  },
  spareKeys: {
    kind: 'gauge',
    name: 'hsm_spare_keys',
    help: 'HSM keys made ahead',
    labels: ['backend'],
  },
  openAlarms: {
    kind: 'counter',
    name: 'open_alarms_total',
    help: 'Times that a realm opened deposits faster than keyhsm.open.rate or keyhsm.open.alarm, had them resealed faster than keyhsm.reseal.rate or HSM keys revoked faster than keyhsm.revoke.rate',
    labels: ['realm', 'why'],
  },
  openAlarm: {
    kind: 'gauge',
    name: 'open_alarm',
    help: '1 while such an alarm of a realm has not ended',
    labels: ['realm'],
  },
  inFlight: {
    kind: 'gauge',
    name: 'requests_in_flight',
    help: 'Requests of Trustee Servers that are not answered yet',
  },
})
