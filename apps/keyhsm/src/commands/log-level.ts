import { logLevelCommand as makeCommand } from '@keyhsm/command-line'
import { loggedLevels, logLevelRoute, maxLogLevelMs } from '@keyhsm/protocol'
import { pathsIn } from '../paths.js'
import { withService } from './with-service.js'

/** Orders the running Key HSM to log more or less for a time. */
export const logLevelCommand = makeCommand({
  levels: loggedLevels,
  maxMs: maxLogLevelMs,
  ask: ({ home }, body) =>
    withService(pathsIn(home.keyhsm), (service) => service.call(logLevelRoute, { body })),
})
