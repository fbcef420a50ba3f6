import type { Command, Io, Program } from '@keyhsm/command-line'
import { printLine } from '@keyhsm/command-line'
import { findLogFaults } from './log-faults.js'
import { pathsIn } from '../paths.js'
import { errorTraits } from '@keyhsm/core'

interface Usage {
  /** Commands as they are typed, with what they do. */
  readonly commands: readonly { readonly usage: string; readonly summary: string }[]
  /** What is wrong with the configuration of the log, one line each. */
  readonly loggingErrors: readonly string[]
}

/** How the old product wrote these; the others are shown as their records have them. */
const oldSpelling: Readonly<Record<string, string>> = {
  setup: 'setup <hsm name>',
  trust: 'trust <path>',
  stop: 'stop|shutdown',
}

/** Room for `setup <hsm name>`. */
const width = 16

/** `keyhsm` alone: the commands, and what is wrong with the configuration of the log, as the manual has it. */
export function usageCommand(program: () => Program): Command {
  return {
    name: '',
    summary: 'show the commands and check the configuration of the log',
    dropTo: false,
    async run({ home }): Promise<Usage> {
      const loggingErrors = await findLogFaults(pathsIn(home.keyhsm))
      return { commands: listCommands(program()), loggingErrors }
    },
    print: printUsage,
    exitCode: ({ loggingErrors }: Usage) =>
      loggingErrors.length === 0 ? 0 : errorTraits.ERR_SETTINGS.exit,
  }
}

/** One line a command; the commands of a group stand in one, e.g. `keys list|show|revoke`. */
function listCommands({ commands, groups }: Program): Usage['commands'] {
  const named = commands.filter(({ name }) => name !== '')
  const first = [...new Set(named.map(({ name }) => name.split(' ')[0] ?? ''))]
  return first.map((word) => {
    const alone = named.find(({ name }) => name === word)
    if (alone) return { usage: oldSpelling[word] ?? word, summary: alone.summary }
    const group = named.filter(({ name }) => name.startsWith(`${word} `))
    const words = group.map(({ name }) => name.slice(word.length + 1))
    return { usage: `${word} ${words.join('|')}`, summary: groups?.[word] ?? '' }
  })
}

function printUsage({ commands, loggingErrors }: Usage, io: Io): void {
  printLine('keyHsm service usage:', io)
  for (const { usage, summary } of commands) {
    printLine(`    ${usage.padEnd(width)} - ${summary}`, io)
  }
  for (const line of loggingErrors) {
    // Faults of logback.xml stand as the manual shows them, without the program's name.
    if (line.includes(' |-')) printLine(line, io)
    else io.words(line)
  }
}
