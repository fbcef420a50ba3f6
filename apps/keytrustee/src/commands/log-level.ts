import { logLevelCommand as makeCommand } from '@keyhsm/command-line'
import { loggedLevels, logLevelRoute, maxLogLevelMs } from '@keyhsm/protocol'
import { asOption, callServer } from './control.js'

/** Orders the running Trustee Server to log more or less for a time. */
export const logLevelCommand = makeCommand({
  levels: loggedLevels,
  maxMs: maxLogLevelMs,
  options: [asOption],
  ask: (input, body) => callServer(input, logLevelRoute, { body }),
})
