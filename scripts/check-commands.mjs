#!/usr/bin/env node
/**
 * `npm run commands:check`: every command and option that a `--help` shows, with the script or test that runs it; fails when
 * one has none. Scripts are `interop/scripts/*.script` and the programs in `interop/`, where a command line is read word by
 * word; tests are those of the program's own workspace, where the words of the command and the flag stand as literals in one
 * test, or in what that test names (`lib/test-scopes.mjs`).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commonOptions } from '@keyhsm/command-line'
import { programs } from './lib/programs.mjs'
import { report, root, sourceFiles } from './lib/sources.mjs'
import { scopesOf } from './lib/test-scopes.mjs'

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

/** Lines of scripts that hold commands, with their place. */
function readCommandLines() {
  const scripts = filesIn('interop/scripts', /\.script$/)
  const programsOfInterop = filesIn('interop', /\.mjs$/)
  return [...scripts, ...programsOfInterop].flatMap((path) => {
    const all = readFileSync(join(root, path), 'utf8')
    // Programs put lines together: there a flag counts for every command of its part.
    const scopes = path.endsWith('.mjs') ? scopesOf(all) : [{ line: 0, flags: new Set() }]
    return all
      .split('\n')
      .map((text, index) => ({
        text,
        where: `${path}:${index + 1}`,
        more: scopes.findLast(({ line }) => line <= index).flags,
      }))
      .filter(({ text }) => !/^\s*(#|\/\/|\*|\/\*\*|>|<)/.test(text))
      .flatMap(({ text, where, more }) =>
        splitSubstitutions(text).map((part) => ({ text: part, where, more })),
      )
  })
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
  return lines.flatMap(({ text, where, more }) =>
    [...text.matchAll(call)].map((match) => {
      const run = parseWords(program, match[1].trim().split(/\s+/).filter(Boolean))
      return { ...run, flags: new Set([...run.flags, ...more]), where }
    }),
  )
}

/** Lists of literals in the tests; flags count for every command that the same test runs, because lists are put together. */
function runsInTests(program, workspace, callers) {
  return sourceFiles(`${workspace}/test`).flatMap((path) => {
    const all = readFileSync(join(root, path), 'utf8')
    if (callers && !callers.test(all)) return []
    return scopesOf(all).flatMap((scope) => runsInTest(program, path, scope))
  })
}

function runsInTest(program, path, { text, flags }) {
  const found = new Map()
  for (const { 0: list, index } of text.matchAll(
    /'[^'\n]*'(?:\s*,\s*(?:'[^'\n]*'|`[^`\n]*`|[\w.?()[\]]+))*/g,
  )) {
    const words = [...list.matchAll(/['`]([^'`]*)['`]/g)].map((match) => match[1])
    // A helper is often called like the group: `db('bootstrap')`.
    const helper = /(\w+)\(\s*$/.exec(text.slice(Math.max(0, index - 40), index))?.[1] ?? ''
    const asHelper = parseWords(program, [helper, ...words])
    const run = asHelper.command?.name ? asHelper : parseWords(program, words)
    if (!run.command || (run.command.name === '' && words.length > 0)) continue
    const before = found.get(run.command)
    const more = list.split(',').length > run.command.name.split(' ').length
    found.set(run.command, {
      ...run,
      flags,
      where: path,
      hasArguments: more || before?.hasArguments,
    })
  }
  return [...found.values()]
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
