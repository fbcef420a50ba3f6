/**
 * One case of the table. A case is data: what it is called, what must be seen, and a function that looks and says what it
 * saw. The case holds when both texts are equal, so nothing passes that was not seen.
 *
 * @typedef {object} Case
 * @property {number} row
 * @property {string} name
 * @property {string} expected
 * @property {(context: object) => Promise<string>} run
 * @property {(context: object) => string | undefined} [skip] the reason why it cannot run here
 * @property {number} [limitMs]
 *
 * @typedef {object} Group
 * @property {'shared' | 'own' | 'bare' | 'small-disks'} stack one that all may use, or one of its own: brought up, with nothing in
 *   its home, or with audits and database on small disks where that is possible
 * @property {Case[]} cases
 * @property {(stack: object) => Promise<object>} [prepare] what it returns is added to the context of the cases
 * @property {(context: object) => Promise<void>} [restore]
 */

const defaultLimitMs = 45_000

export async function runCase(each, context) {
  const reason = each.skip?.(context)
  if (reason) return { ...each, seen: reason, verdict: 'skipped', ms: 0 }
  const began = Date.now()
  const result = await withinLimit(each, context)
  const verdict = result.seen === each.expected ? 'ok' : 'FAILED'
  return { ...each, ...result, verdict, ms: Date.now() - began }
}

async function withinLimit(each, context) {
  const limitMs = each.limitMs ?? defaultLimitMs
  let timer
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ seen: `no end after ${limitMs} ms` }), limitMs)
  })
  const work = Promise.resolve()
    .then(() => each.run(context))
    .then(
      (seen) => ({ seen }),
      (error) => ({ seen: `error: ${String(error.message).split('\n')[0]}`, error }),
    )
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Puts facts into words: `[holds, words]` or `[holds, words, otherwise]`. A fact that does not hold is shouted, or said
 * with the words given for that.
 */
export function facts(...list) {
  return list
    .map(([holds, words, otherwise = `NOT ${words}`]) => (holds ? words : otherwise))
    .join(', ')
}

/** Waits until `look` returns something truthy, and returns it. @throws after `limitMs`. */
export async function until(look, { limitMs = 10_000, pauseMs = 50, what = 'it' } = {}) {
  const end = Date.now() + limitMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error(`${what} did not come within ${limitMs} ms`)
    await pause(pauseMs)
  }
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
