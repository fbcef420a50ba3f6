import type { Command } from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'
import { type ReplyOf, reloadKeyHsmRoute } from '@keyhsm/protocol'
import { pathsIn } from '../paths.js'
import { isRunning, withService } from './with-service.js'

type Reloaded = ReplyOf<typeof reloadKeyHsmRoute>

/** Makes the running service take over settings, trust list and TLS key; when that fails the old ones stay. */
export const reloadCommand: Command = {
  name: 'reload',
  summary: 'reload the server (without shutdown)',
  async run({ home }): Promise<Reloaded> {
    const paths = pathsIn(home.keyhsm)
    if (!isRunning(paths)) throw new DomainError('ERR_UNAVAILABLE', 'keyhsm is not running')
    return await withService(paths, (service) => service.call(reloadKeyHsmRoute, {}))
  },
  print({ applied, needsRestart }: Reloaded, io) {
    for (const line of applied) io.words(line)
    if (applied.length === 0) io.words('nothing has changed')
    if (needsRestart.length > 0) io.words(`needs a restart: ${needsRestart.join(', ')}`)
  },
}
