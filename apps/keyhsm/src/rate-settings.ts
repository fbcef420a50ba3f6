/** How fast a realm may have Key HSM work for it. @see operations/realm-rate.ts */
import { integer, settingsSchema } from '@keyhsm/service'

export const rateSchema = settingsSchema({
  openRate: {
    name: 'keyhsm.open.rate',
    default: '0',
    parse: integer(0, 1e6),
    describe: 'most deposits that a realm may open a second; 0: as many as the HSM can',
  },
  resealRate: {
    name: 'keyhsm.reseal.rate',
    default: '0',
    parse: (text, field) => (text === 'off' ? 'off' : integer(0, 1e6)(text, field)),
    describe:
      'most deposits that a realm may have resealed a second; 0: as many as the HSM can; off: none, until a migration is wanted',
  },
  revokeRate: {
    name: 'keyhsm.revoke.rate',
    default: '0',
    parse: integer(0, 1e6),
    describe: 'most HSM keys that a realm may have revoked a second; 0: as many as the HSM can',
  },
  openAlarm: {
    name: 'keyhsm.open.alarm',
    default: '0',
    parse: integer(0, 1e6),
    describe:
      'deposits opened by a realm a second at which an alarm is raised; 0: only when it reaches keyhsm.open.rate',
  },
})
