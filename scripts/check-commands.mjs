#!/usr/bin/env node
/**
 * `npm run commands:check`: every command and option that a `--help` shows, with the script or test that runs it; fails when
 * one has none. Scripts are `interop/scripts/*.script` and the programs in `interop/`; tests are those of the program's own
 * workspace. Each command line counts by itself (`lib/command-lines.mjs`): none lends another its options.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commonOptions } from '@keyhsm/command-line'
import { linesOfProgram, linesOfScript, listsOfTest } from './lib/command-lines.mjs'
import { programs } from './lib/programs.mjs'
import { report, root, sourceFiles } from './lib/sources.mjs'

/** Every program has these; one run of each option is enough for all its commands. */
const common = [...commonOptions.map(({ flag }) => flag), 'help', 'version']

const lines = readCommandLines()
const faults = []
let looked = 0
for (const { program, workspace, callers } of programs) {
  const runs = [...runsInScripts(program), ...runsInTests(program, workspace, callers)]
  for (const command of program.commands) checkCommand(program, command, runs)
  for (const flag of common) {
    note(
      `${program.name} --${flag}`,
      runs.find((run) => run.flags.has(flag)),
    )
  }
}
report('commands', faults, `${looked} commands and options`)

function checkCommand(program, command, runs) {
  const own = runs.filter((run) => run.command === command)
  const title = [program.name, command.name].filter(Boolean).join(' ')
  note(title, own[0])
  for (const { name } of command.arguments ?? []) {
    note(
      `${title} ${name}`,
      own.find((run) => run.hasArguments),
    )
  }
  for (const { flag } of command.options ?? []) {
    note(
      `${title} --${flag}`,
      own.find((run) => run.flags.has(flag)),
    )
  }
}

function note(what, run) {
  looked += 1
  if (run === undefined) faults.push(`${what}: nothing runs it`)
  else if (!process.argv.includes('--quiet')) console.log(`${what.padEnd(56)} ${run.where}`)
}

/** Every text of scripts and programs that could hold a command line. */
function readCommandLines() {
  const scripts = filesIn('interop/scripts', /\.script$/)
  const programsOfInterop = filesIn('interop', /\.mjs$/)
  const names = programs.map(({ program }) => program.name)
  return [
    ...scripts.flatMap((path) => linesOfScript(path, textOf(path))),
    ...programsOfInterop.flatMap((path) => linesOfProgram(path, textOf(path), names)),
  ].flatMap(({ text, where }) =>
    splitSubstitutions(text)
      .flatMap((part) => part.split('\n'))
      .map((part) => ({ text: part, where })),
  )
}

function textOf(path) {
  return readFileSync(join(root, path), 'utf8')
}

/** A line without what stands in `$( … )`, and each of these by itself. */
function splitSubstitutions(line) {
  const parts = []
  let rest = line
  for (let inner; (inner = /\$\(([^()]*)\)/.exec(rest)); ) {
    parts.push(inner[1])
    rest = rest.replace(inner[0], 'SUBSTITUTED')
  }
  return [rest, ...parts]
}

function filesIn(folder, pattern) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

/** Each call of `program` in a line, also inside `$( … )`. */
function runsInScripts(program) {
  const call = new RegExp(`(?:^|[\\s"'\`(/])${program.name}(?=$|[\\s"'\`)])([^|;&)\`]*)`, 'g')
  return lines.flatMap(({ text, where }) =>
    [...text.matchAll(call)].map((match) => ({
      ...parseWords(program, match[1].trim().split(/\s+/).filter(Boolean)),
      where,
    })),
  )
}

/** Lists of the program's own tests whose first words name a command. */
function runsInTests(program, workspace, callers) {
  return sourceFiles(`${workspace}/test`).flatMap((path) => {
    const all = textOf(path)
    if (callers && !callers.test(all)) return []
    return listsOfTest(path, all).flatMap((list) => runOf(program, list))
  })
}

function runOf(program, { words, helper, where }) {
  const said = words[0] === program.name ? words.slice(1) : words
  // A helper is often called like the group: `db('bootstrap')`.
  const asHelper = helper ? parseWords(program, [helper, ...said]) : {}
  const run = asHelper.command?.name ? asHelper : parseWords(program, said)
  const named = run.command?.name !== '' || words[0] === program.name || allOptions(words)
  return run.command && named ? [{ ...run, where }] : []
}

/** A program with one command only is called without a word. */
function allOptions(words) {
  return words.length > 0 && words.every((word) => word.startsWith('-'))
}

/** The command that the first words name, its flags, and whether something else follows. */
function parseWords(program, words) {
  const all = [...commonOptions, ...program.commands.flatMap(({ options = [] }) => options)]
  const long = new Map(all.map(({ flag, short }) => [`-${short}`, `--${flag}`]))
  const flags = new Set(
    words
      .map((word) => long.get(word) ?? word)
      .filter((word) => /^--[a-z]/.test(word))
      .map((word) => word.slice(2).split('=')[0]),
  )
  const plain = withoutOptions(program, words)
  const names = program.commands.flatMap((command) =>
    [command.name, ...(command.aliases ?? [])].map((name) => ({ name, command })),
  )
  const fitting = names
    .filter(({ name }) => name === '' || `${plain.join(' ')} `.startsWith(`${name} `))
    .sort((a, b) => b.name.length - a.name.length)[0]
  const used = fitting?.name.split(' ').filter(Boolean).length ?? 0
  const command =
    fitting && (fitting.name !== '' || plain.length === 0) ? fitting.command : undefined
  return { command, flags, hasArguments: plain.length > used }
}

function withoutOptions({ commands }, words) {
  const withValue = new Set(
    [...commonOptions, ...commands.flatMap(({ options = [] }) => options)]
      .filter(({ value }) => value !== undefined)
      .flatMap(({ flag, short }) => [`--${flag}`, `-${short}`]),
  )
  return words.filter(
    (word, index) =>
      !/^-{1,2}[a-z]/.test(word) &&
      !withValue.has(words[index - 1]) &&
      !/^\d?[<>]/.test(word) &&
      word !== '/dev/null',
  )
}
