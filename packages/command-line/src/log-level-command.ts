/** `log-level`, the same in every program with a service. */
import { invalidInput, parseDuration } from '@keyhsm/core'
import { optionText } from './input.js'
import type { Command, Input, Option } from './records.js'

const defaultFor = '10m'
const leastMs = 1000

interface LevelInUse {
  readonly level: string
  /** ISO 8601. */
  readonly until?: string | undefined
}

export interface LogLevelOrders<Level extends string> {
  readonly levels: readonly Level[]
  readonly maxMs: number
  /** Options of `ask`. */
  readonly options?: readonly Option[]
  /** Orders the running service. */
  ask(input: Input, order: { readonly level: Level; readonly forMs: number }): Promise<LevelInUse>
}

/** The command of one program. */
export function logLevelCommand<const Level extends string>(o: LogLevelOrders<Level>): Command {
  const { levels, maxMs, options = [] } = o
  const parseLevel = (text: string): Level => {
    const found = levels.find((level) => level === text)
    if (found === undefined) throw invalidInput('LEVEL', `must be one of ${levels.join(', ')}`)
    return found
  }
  const parseFor = (text: string): number => {
    const ms = parseDuration(text, '--for')
    if (ms < leastMs || ms > maxMs) {
      throw invalidInput('--for', `must be from 1s to ${maxMs / 3_600_000}h`)
    }
    return ms
  }
  const forTime: Option = {
    flag: 'for',
    value: 'TIME',
    describe: `then the configured level holds again (default: ${defaultFor})`,
    check: parseFor,
  }
  return {
    name: 'log-level',
    summary: 'log at another level for a time; reloads in between change nothing about it',
    arguments: [{ name: 'LEVEL', describe: levels.join(', '), check: parseLevel }],
    options: [forTime, ...options],
    run: (input) =>
      o.ask(input, {
        level: parseLevel(input.args['LEVEL'] ?? ''),
        forMs: parseFor(optionText(input, forTime.flag) ?? defaultFor),
      }),
    print: (level: LevelInUse, io) => io.words(`the level is ${levelText(level)}`),
  }
}

/** A level as a person reads it, here and in a status. */
export function levelText({ level, until }: LevelInUse): string {
  return until === undefined ? level : `${level} until ${until}`
}
