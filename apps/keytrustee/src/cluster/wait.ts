import { setTimeout as pause } from 'node:timers/promises'

/** Asks again and again until there is an answer; undefined when there was none in time. */
export async function waitFor<Value>(
  timeoutMs: number,
  ask: () => Promise<Value | undefined>,
): Promise<Value | undefined> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await ask()
    if (value !== undefined || performance.now() >= deadline) return value
    await pause(25)
  }
}
