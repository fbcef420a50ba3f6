/** Words of the set-up and its steps, to standard error: standard output belongs to results. */
export function say(line = '') {
  process.stderr.write(`${line}\n`)
}

/** An end that is no crash: the message is all there is to say. */
export class Stop extends Error {
  constructor(message, exit = 1) {
    super(message)
    this.exit = exit
  }
}

/** Runs `main`; a Stop prints its message and exits with its status. */
export async function runMain(main) {
  try {
    process.exitCode = (await main()) ?? 0
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    say(error.message)
    process.exitCode = error.exit
  }
}
