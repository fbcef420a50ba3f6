import { describe, expect, it } from 'vitest'
import { formatHelp, parseCommandLine } from '../src/grammar.js'
import type { Command } from '../src/records.js'
import { echoCommand, programOf } from './sample.js'

const list = echoCommand({
  name: 'keys list',
  aliases: ['keys ls'],
  summary: 'list the keys',
  arguments: [{ name: 'label', describe: 'label of a key', optional: true }],
  options: [
    { flag: 'no-seal', describe: 'switch with a no' },
    { flag: 'auth', short: 's', value: 'S', describe: 'the secret', deprecated: 'use --auth-file' },
    { flag: 'tag', value: 'T', describe: 'a tag', repeatable: true },
  ],
})
const group: Command = echoCommand({ name: 'db', options: [{ flag: 'start', describe: 'old' }] })
const program = programOf(list, echoCommand({ name: 'db start' }), group, echoCommand())

function call(...argv: string[]) {
  const parsed = parseCommandLine(program, argv)
  if (parsed.kind !== 'run') throw new Error(parsed.kind)
  return parsed.call
}

describe('parseCommandLine', () => {
  it('finds nested commands, their aliases and a group that is a command itself', () => {
    expect(call('keys', 'list').command).toBe(list)
    expect(call('keys', 'ls').command).toBe(list)
    expect(call('db', 'start').command.name).toBe('db start')
    expect(call('db', '--start').options).toEqual({ start: true })
  })

  it('returns options under the names of their records', () => {
    const { options, args } = call(
      'keys',
      'list',
      'L',
      '--no-seal',
      '-s',
      '--json',
      '--tag=a=b',
      '--tag',
      'c',
    )
    expect(options).toEqual({ 'no-seal': true, auth: '--json', tag: ['a=b', 'c'] })
    expect(args).toEqual({ label: 'L' })
  })

  it('takes what follows -- as arguments', () => {
    expect(call('keys', 'list', '--', '--json')).toMatchObject({
      args: { label: '--json' },
      json: false,
    })
  })

  it.each([
    [['--home', 'H', '--json', 'keys', 'list']],
    [['keys', '--json', '--home', 'H', 'list']],
    [['keys', 'list', '--home=H', '--json']],
  ])('accepts the common options anywhere: %j', (argv) => {
    expect(call(...argv)).toMatchObject({ home: 'H', json: true })
  })

  it.each([
    [['kyes'], "unknown command 'kyes'", 'did you mean keys?'],
    [['keys', 'lsit'], "unknown command 'lsit'", 'did you mean list?'],
    [['db', 'strat'], "unknown command 'strat'", 'did you mean start?'],
    [
      ['db', 'start', 'x'],
      "too many arguments for 'start'. Expected 0 arguments but got 1.",
      undefined,
    ],
    [['keys', 'list', '--tga', 'x'], "unknown option '--tga'", 'did you mean --tag?'],
    [['keys', 'list', '--tag'], "option '--tag <T>' argument missing", undefined],
    [['echo', 'x'], "too many arguments for 'echo'. Expected 0 arguments but got 1.", undefined],
  ])('refuses %j with the nearest word', (argv, detail, hint) => {
    const hints = hint === undefined ? [] : [hint]
    expect(() => parseCommandLine(program, argv)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_INPUT', message: detail, hints }),
    )
  })

  it('does not repeat the value of a mistyped option', () => {
    expect(() => parseCommandLine(program, ['keys', 'list', '--auht=marked-secret'])).toThrow(
      expect.objectContaining({ message: "unknown option '--auht'" }),
    )
  })

  it('refuses an option that is given twice unless it is repeatable', () => {
    expect(() => call('keys', 'list', '-s', 'a', '--auth', 'b')).toThrow(
      '--auth may be given only once',
    )
  })

  it('calls the command without a name when nothing else is given, and still knows mistyped ones', () => {
    const bare = echoCommand({ name: '' })
    const withBare = programOf(list, bare)
    for (const argv of [[], ['--json', '--home', 'H']]) {
      expect(parseCommandLine(withBare, argv)).toMatchObject({
        kind: 'run',
        call: { command: bare, json: argv.length > 0 },
      })
    }
    expect(parseCommandLine(withBare, ['keys'])).toMatchObject({ kind: 'help', asked: false })
    expect(parseCommandLine(withBare, ['--help'])).toMatchObject({ kind: 'help', asked: true })
    expect(() => parseCommandLine(withBare, ['kyes'])).toThrow("unknown command 'kyes'")
  })

  it('tells a help that was asked for from a missing command', () => {
    expect(parseCommandLine(program, ['--help'])).toMatchObject({ kind: 'help', asked: true })
    expect(parseCommandLine(program, ['help', 'keys'])).toMatchObject({ kind: 'help', asked: true })
    expect(parseCommandLine(program, [])).toMatchObject({ kind: 'help', asked: false })
    expect(parseCommandLine(program, ['keys'])).toMatchObject({ kind: 'help', asked: false })
    expect(parseCommandLine(program, ['--version'])).toEqual({ kind: 'version' })
  })
})

describe('formatHelp', () => {
  it('is made from the records', () => {
    const text = formatHelp(program, ['keys', 'list'])
    expect(text).toContain('Usage: sample keys list|ls [options] [label]'.replace('|ls', ''))
    for (const words of [
      'list the keys',
      'label of a key',
      '-s, --auth <S>',
      'deprecated: use --auth-file',
    ])
      expect(text).toContain(words)
  })

  it('does not list aliases as commands', () => {
    expect(formatHelp(program, ['keys'])).not.toMatch(/^ +ls/m)
  })
})
