/** Completion for shells, made from a program's records: words of commands, their options, file names for file options. */
import { invalidInput } from '@keyhsm/core'
import { commonOptions } from './grammar.js'
import { printLine } from './output.js'
import type { Command, Program } from './records.js'

const shells = ['bash', 'zsh'] as const

/** `completion bash|zsh`: prints a script to be read by the shell. `program` is asked when the command runs. */
export function completionCommand(program: () => Program): Command {
  return {
    name: 'completion',
    summary: 'print the completion script for bash or zsh',
    arguments: [{ name: 'SHELL', describe: 'bash or zsh', optional: true, check: requireShell }],
    dropTo: false,
    run: ({ args }) => Promise.resolve(formatCompletion(program(), args['SHELL'] ?? 'bash')),
    print: (script: string, io) => printLine(script, io),
  }
}

function requireShell(text: string): void {
  if (!shells.some((shell) => shell === text)) throw invalidInput('SHELL', 'must be bash or zsh')
}

/** The script for `shell`. zsh reads bash's own completions after `bashcompinit`. */
export function formatCompletion(program: Program, shell: string): string {
  const name = `_${program.name.replaceAll('-', '_')}`
  const head = shell === 'zsh' ? ['autoload -U +X bashcompinit && bashcompinit'] : []
  return [
    ...head,
    `${name}() {`,
    '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" words',
    '  case " ${COMP_WORDS[*]:1:COMP_CWORD-1} " in',
    ...casesOf(program).map(([pattern, words]) => `    ${pattern}) words="${words}" ;;`),
    '  esac',
    `  case "$prev" in ${fileOptionsOf(program)}) COMPREPLY=($(compgen -f -- "$cur")); return ;; esac`,
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    '}',
    `complete -o default -F ${name} ${program.name}`,
  ].join('\n')
}

/** The longest command first, because the shell takes the first pattern that fits. */
function casesOf(program: Program): (readonly [string, string])[] {
  const names = new Set(program.commands.flatMap(({ name }) => prefixesOf(name)))
  return [...names]
    .sort((a, b) => b.length - a.length || a.localeCompare(b))
    .map((name) => [name === '' ? '*' : `" ${name} "*`, wordsAfter(program, name).join(' ')])
}

function prefixesOf(name: string): string[] {
  const words = name.split(' ').filter((word) => word !== '')
  return Array.from({ length: words.length + 1 }, (_, count) => words.slice(0, count).join(' '))
}

function wordsAfter({ commands }: Program, name: string): string[] {
  const start = name === '' ? '' : `${name} `
  const next = commands
    .filter((command) => command.name !== '' && command.name.startsWith(start))
    .map((command) => command.name.slice(start.length).split(' ')[0] ?? '')
  const own = commands.find((command) => command.name === name)?.options ?? []
  const options = [...own, ...commonOptions, { flag: 'help' }].map(({ flag }) => `--${flag}`)
  return [...new Set([...next, ...options])].filter((word) => word !== '')
}

function fileOptionsOf({ commands }: Program): string {
  const files = commands.flatMap(({ options = [] }) => options).filter(({ file }) => file)
  return [...new Set(['--home', ...files.map(({ flag }) => `--${flag}`)])].join('|')
}
