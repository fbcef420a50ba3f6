const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs long work that cleans up after itself: a first Ctrl-C aborts its signal, a second one ends the process. */
export async function interruptible<Result>(
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController()
  const abort = () => controller.abort()
  for (const name of signals) process.once(name, abort)
  try {
    return await work(controller.signal)
  } finally {
    for (const name of signals) process.off(name, abort)
  }
}
