import { type Input, type Option, optionText } from '@keyhsm/command-line'
import { invalidInput, parseDuration } from '@keyhsm/core'
import { maxDrainMs, stopKeyHsmRoute } from '@keyhsm/protocol'
import { stopDaemon, type StopOutcome } from '@keyhsm/service'
import type { Paths } from '../paths.js'
import { withService } from './with-service.js'

const defaultDrain = '10s'
/** What closing the HSM and the audit may take after draining, before the process is killed. */
const closingMs = 10_000

/** For every command that stops the service. */
export const drainOption: Option = {
  flag: 'drain',
  value: 'TIME',
  describe: `how long requests under way may take to finish (default: ${defaultDrain})`,
  check: parseDrain,
}

/** The limit that {@link drainOption} gives, milliseconds. */
export function readDrain(input: Input): number {
  return parseDrain(optionText(input, drainOption.flag) ?? defaultDrain)
}

/** Asks over the management listener; a service that does not answer there gets SIGTERM, and at last SIGKILL. */
export async function stopService(paths: Paths, drainMs: number): Promise<StopOutcome> {
  return await stopDaemon({
    name: 'keyhsm',
    pidFile: paths.pidFile,
    timeoutMs: drainMs + closingMs,
    ask: () =>
      withService(paths, (service) => service.call(stopKeyHsmRoute, { body: { drainMs } })),
  })
}

function parseDrain(text: string): number {
  const drainMs = parseDuration(text, '--drain')
  if (drainMs > maxDrainMs) throw invalidInput('--drain', `must be at most ${maxDrainMs / 1000}s`)
  return drainMs
}
