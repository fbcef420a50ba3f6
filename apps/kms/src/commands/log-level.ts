import { logLevelCommand as makeCommand } from '@keyhsm/command-line'
import { loggedLevels, maxLogLevelMs } from '@keyhsm/protocol'
import { kmsLogLevelRoute } from '../service/control-routes.js'
import { callKms } from './control.js'

/** Orders the running KMS to log more or less for a time. */
export const logLevelCommand = makeCommand({
  levels: loggedLevels,
  maxMs: maxLogLevelMs,
  ask: (input, body) => callKms(input, kmsLogLevelRoute, { body }),
})
