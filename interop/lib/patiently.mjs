/** Asking services that may be down. */
import { setTimeout as pause } from 'node:timers/promises'

const patienceMs = 20_000

/** Codes of answers that say nothing but that somebody was down. */
export const passing = new Set([
  'ERR_UNAVAILABLE',
  'ERR_HSM_UNAVAILABLE',
  'ERR_STORE_UNAVAILABLE',
  'ERR_BUSY',
  'ERR_AUDIT_UNAVAILABLE',
])

/** Asks until somebody answers. @returns the answer, or what was thrown */
export async function patiently(call) {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const answer = await call().catch((error) => error)
    if (!passing.has(answer?.code) || Date.now() > deadline) return answer
    await pause(50)
  }
}
