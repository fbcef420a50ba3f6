import type { Io } from '@keyhsm/command-line'
import type { ReplyOf, reloadKeyHsmRoute } from '@keyhsm/protocol'

/** What a reload has taken over, and what waits for a restart. */
export function printReloaded(
  { applied, needsRestart }: ReplyOf<typeof reloadKeyHsmRoute>,
  io: Io,
): void {
  for (const line of applied) io.words(line)
  if (applied.length === 0) io.words('nothing has changed')
  if (needsRestart.length > 0) io.words(`needs a restart: ${needsRestart.join(', ')}`)
}
