/** The numbers of the KMS for Prometheus that not every service has. */
import { meterTable } from '@keyhsm/service'

export const kmsMeters = meterTable({
  openedKeys: {
    kind: 'gauge',
    name: 'opened_zone_keys',
    help: 'Zone key versions in memory now',
  },
})
