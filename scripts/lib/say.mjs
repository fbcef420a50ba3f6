import { readFileSync } from 'node:fs'

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

/** What the program in `file` says of itself: the comment at its head. */
export function headOf(file) {
  const [, head = ''] = /\/\*\*([\s\S]*?)\*\//.exec(readFileSync(file, 'utf8')) ?? []
  return head.replace(/^ ?\* ?/gm, '').trim()
}

/** Runs `main`, or prints what the program is for `--help`; a Stop prints its message and exits with its status. */
export async function runMain(main) {
  if (process.argv.includes('--help')) {
    console.log(headOf(process.argv[1]))
    return
  }
  try {
    process.exitCode = (await main()) ?? 0
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    say(error.message)
    process.exitCode = error.exit
  }
}
