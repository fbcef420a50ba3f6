/**
 * Limits of the suite are for a machine that has time for it. On one with more to do than processors everything takes
 * that many times longer, and a limit would judge the machine instead of the backend.
 */
import { availableParallelism, loadavg } from 'node:os'

/** Beyond it a limit says nothing any more; and a test framework has limits of its own. */
const maxSlowness = 5

/** How many times slower than on an idle machine a program runs now; 1 on an idle one. `load`: as `uptime` shows it. */
export function slowness(
  load: number = loadavg()[0] ?? 0,
  processors: number = availableParallelism(),
): number {
  return Math.min(maxSlowness, Math.max(1, load / processors))
}
