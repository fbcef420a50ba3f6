/** The load loop: as many workers as asked for, each does one operation after the other until the time is over. */
import { createHistogram } from 'node:perf_hooks'

/** Thrown when the run was interrupted: nothing is printed for the cell. */
export class Interrupted extends Error {}

/** Runs the operation until it was done `operations` times or `forMs` have passed. */
export async function warmUp({ concurrency, forMs, operations, signal }, operation) {
  await run({ concurrency, forMs, operations, signal }, operation)
}

/**
 * @param {{ concurrency: number, forMs: number, warmMs: number, signal: AbortSignal, onWarm?: () => Promise<void> }} how
 * @param {(worker: number) => Promise<unknown>} operation
 */
export async function measure({ concurrency, forMs, warmMs, signal, onWarm }, operation) {
  await run({ concurrency, forMs: warmMs, signal }, operation)
  await onWarm?.()
  return await run({ concurrency, forMs, signal }, operation)
}

async function run({ concurrency, forMs, operations = Infinity, signal }, operation) {
  const histogram = createHistogram({ figures: 3 })
  const failures = new Map()
  const began = performance.now()
  let done = 0
  const worker = async (index) => {
    for (let at = performance.now(); at - began < forMs && done < operations; ) {
      if (signal.aborted) throw new Interrupted()
      try {
        await operation(index)
        done += 1
      } catch (error) {
        count(failures, error)
      }
      const now = performance.now()
      histogram.record(Math.max(1, Math.round((now - at) * 1e6)))
      at = now
    }
  }
  await Promise.all(Array.from({ length: concurrency }, (_, index) => worker(index)))
  const elapsedMs = performance.now() - began
  return {
    done,
    elapsedMs,
    rate: done / (elapsedMs / 1000),
    p50Ms: histogram.percentile(50) / 1e6,
    p99Ms: histogram.percentile(99) / 1e6,
    failures: Object.fromEntries(failures),
  }
}

/** A refusal now and then is a figure; nothing but refusals is a broken benchmark. */
function count(failures, error) {
  const name = error.code ?? error.message
  const times = (failures.get(name) ?? 0) + 1
  failures.set(name, times)
  if (times > 1000) throw error
}
