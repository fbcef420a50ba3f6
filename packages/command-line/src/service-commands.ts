/** `start`, `stop`, `restart` and `reload`, the same in every program with a service; each fills in how its own does it. */
import { optionGiven } from './input.js'
import { homeIn } from './home.js'
import type { Argument, Command, Input, Io, Option, ServiceUser } from './records.js'

/** A service that is ready in the background. */
interface Started {
  /** What it said, e.g. `is ready on 127.0.0.1:9090`. */
  readonly ready: string
  readonly pid: number
}

type StopOutcome = 'stopped' | 'not-running' | 'killed'

/** The ways to start, once everything that is asked of a person has been asked. */
export interface Starter {
  /** Refuses what would keep a new process from starting, while the old one still runs. */
  check(): Promise<void>
  inBackground(): Promise<Started>
  /** @returns the exit status. */
  here(): Promise<number>
}

export interface ServiceVerbs {
  readonly summaries: Readonly<Record<'start' | 'stop' | 'restart' | 'reload', string>>
  readonly startArguments?: readonly Argument[]
  /** Of `start` and `restart`. */
  readonly startOptions?: readonly Option[]
  /** Of `stop` and `restart`. */
  readonly stopOptions?: readonly Option[]
  readonly stopAliases?: readonly string[]
  starter(input: Input, io: Io): Starter | Promise<Starter>
  /** One that does not run is as good as stopped. */
  stop(input: Input): Promise<StopOutcome>
  /** The old state stays when it fails. */
  reload(input: Input): Promise<Reloaded>
}

/** What a reload has taken over, and what waits for a restart. */
interface Reloaded {
  readonly applied: readonly string[]
  readonly needsRestart: readonly string[]
}

interface StartResult extends Partial<Started> {
  /** Exit status of a run in the foreground. */
  readonly status: number
}

interface RestartResult extends Started {
  readonly before: StopOutcome
}

export const foregroundOption: Option = {
  flag: 'foreground',
  describe: 'run here until SIGTERM or SIGINT, for service managers',
}

const stopWords: Readonly<Record<StopOutcome, string>> = {
  stopped: 'stopped',
  'not-running': 'is not running',
  killed: 'did not stop in time and was killed',
}

/** The commands of one program. */
export function serviceCommands(
  verbs: ServiceVerbs,
): Readonly<Record<'start' | 'stop' | 'restart' | 'reload', Command>> {
  const { summaries, startOptions = [], stopOptions = [] } = verbs
  return {
    start: {
      ...startCommandOf((input, io) => verbs.starter(input, io)),
      name: 'start',
      summary: summaries.start,
      arguments: verbs.startArguments ?? [],
      options: [foregroundOption, ...startOptions],
    },
    stop: {
      name: 'stop',
      summary: summaries.stop,
      aliases: verbs.stopAliases ?? [],
      options: stopOptions,
      run: async (input) => ({ outcome: await verbs.stop(input) }),
      print: ({ outcome }: { readonly outcome: StopOutcome }, io) => io.words(stopWords[outcome]),
    },
    restart: {
      name: 'restart',
      summary: summaries.restart,
      options: [...stopOptions, ...startOptions],
      async run(input, io): Promise<RestartResult> {
        const starter = await verbs.starter(input, io)
        await starter.check()
        const before = await verbs.stop(input)
        return { before, ...(await starter.inBackground()) }
      },
      print(result: RestartResult, io) {
        io.words(stopWords[result.before])
        printStarted(result, io)
      },
    },
    reload: {
      name: 'reload',
      summary: summaries.reload,
      run: (input) => verbs.reload(input),
      print: printReloaded,
    },
  }
}

/** For a program that has another word for it. */
export function startCommandOf(
  starterOf: (input: Input, io: Io) => Starter | Promise<Starter>,
): Pick<Command, 'run' | 'print' | 'exitCode'> {
  return {
    async run(input, io): Promise<StartResult> {
      const starter = await starterOf(input, io)
      if (optionGiven(input, foregroundOption.flag)) return { status: await starter.here() }
      return { ...(await starter.inBackground()), status: 0 }
    },
    print({ ready, pid }: StartResult, io) {
      if (ready !== undefined && pid !== undefined) printStarted({ ready, pid }, io)
    },
    exitCode: ({ status }: StartResult) => status,
  }
}

/** `--home` for a process of the same installation, unless that is the installed one, which has another form. */
export function homeArguments({ home }: Pick<Input, 'home'>, user: ServiceUser): readonly string[] {
  return home[user] === homeIn(home.root)[user] ? ['--home', home.root] : []
}

function printStarted({ ready, pid }: Started, io: Io): void {
  io.words(`${ready} (pid ${pid})`)
}

function printReloaded({ applied, needsRestart }: Reloaded, io: Io): void {
  for (const line of applied) io.words(line)
  if (applied.length === 0) io.words('nothing has changed')
  if (needsRestart.length > 0) io.words(`needs a restart: ${needsRestart.join(', ')}`)
}
