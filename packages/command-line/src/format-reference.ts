/** The reference page of a program, from the records that its parser reads: help text and page cannot differ. */
import { formatHelp } from './grammar.js'
import type { Program } from './records.js'

/** Markdown: the program, then each command with the text of its `--help`. */
export function formatReference(program: Program): string {
  const sections = program.commands
    .filter((command) => command.name !== '')
    .map((command) => section(program, command.name.split(' ')))
  return [`## ${program.name}\n\n${program.summary}\n`, block(formatHelp(program, [])), ...sections]
    .join('\n')
    .concat('\n')
}

function section(program: Program, words: readonly string[]): string {
  const title = [program.name, ...words].join(' ')
  return `### ${title}\n\n${block(formatHelp(program, words))}`
}

function block(text: string): string {
  return `\`\`\`\n${text.trimEnd()}\n\`\`\`\n`
}
