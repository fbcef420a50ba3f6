import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import v8 from 'node:v8'
import { DomainError } from '@keyhsm/core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { foregroundOption } from '../src/service-commands.js'
import { compileForOneAnswer } from '../src/short-life.js'
import { echoCommand, programOf, runWith } from './sample.js'

describe('runProgram', () => {
  it('prints what a command returns, as text or JSON', async () => {
    const program = programOf(echoCommand({ run: async () => ({ name: 'a', count: 2 }) }))
    expect(await runWith(program, ['echo'])).toEqual({
      status: 0,
      out: 'name:  a\ncount: 2\n',
      err: '',
    })
    const json = await runWith(program, ['echo', '--json'])
    expect(JSON.parse(json.out)).toEqual({ name: 'a', count: 2 })
  })

  it('lets V8 compile WebAssembly for one answer only, unless the program serves', async () => {
    const setFlags = vi.spyOn(v8, 'setFlagsFromString').mockReturnValue()
    const program = programOf(echoCommand({ options: [foregroundOption] }))
    try {
      await runWith(program, ['echo', '--foreground'])
      expect(setFlags).not.toHaveBeenCalled()
      await runWith(program, ['echo'])
      const here = process.versions.node.startsWith('20.') ? [['--liftoff-only']] : []
      expect(setFlags.mock.calls).toEqual(here)
      setFlags.mockClear()
      for (const version of ['20.19.0', '22.1.0', '24.0.0']) compileForOneAnswer(version)
      expect(setFlags.mock.calls).toEqual([['--liftoff-only']])
    } finally {
      setFlags.mockRestore()
    }
  })

  it('takes the exit status from the record', async () => {
    const record = {
      run: async () => ({ ok: false }),
      exitCode: (value: { ok: boolean }) => (value.ok ? 0 : 1),
    }
    expect((await runWith(programOf(echoCommand(record)), ['echo'])).status).toBe(1)
  })

  it('prints errors with the program name, faults and hints, and exits as the table says', async () => {
    const error = new DomainError('ERR_SETTINGS', 'the settings have faults', {
      faults: [
        { field: 'keyhsm.port', rule: 'must be a port', line: 3 },
        { field: 'keyhsm.host', rule: 'is required' },
      ],
      hints: ['edit the file'],
      retryAfterMs: 1500,
    })
    const outcome = await runWith(programOf(failing(error)), ['fail'])
    expect(outcome.status).toBe(78)
    expect(outcome.err.split('\n')).toEqual([
      'sample: the settings have faults',
      'sample: line 3: keyhsm.port must be a port',
      'sample: keyhsm.host is required',
      'hint: edit the file',
      'hint: try again in 2 s',
      '',
    ])
  })

  it('prints errors as JSON on standard error, usage errors too', async () => {
    const failed = await runWith(programOf(failing(new DomainError('ERR_NOT_FOUND', 'no x'))), [
      'fail',
      '--json',
    ])
    expect([failed.status, failed.out, JSON.parse(failed.err)]).toEqual([
      1,
      '',
      { code: 'ERR_NOT_FOUND', detail: 'no x' },
    ])
    const usage = await runWith(programOf(echoCommand()), ['echo', '--json', '--nope'])
    expect(usage.status).toBe(2)
    expect(JSON.parse(usage.err)).toMatchObject({ code: 'ERR_INVALID_INPUT' })
  })

  it('hides unexpected errors unless KEYHSM_DEBUG is set', async () => {
    const program = programOf(failing(new TypeError('inner words')))
    const quiet = await runWith(program, ['fail'])
    expect(quiet.status).toBe(70)
    expect(quiet.err).toBe(
      'sample: internal error\nhint: set KEYHSM_DEBUG=1 to see where this comes from\n',
    )
    const loud = await runWith(program, ['fail'], { env: { KEYHSM_DEBUG: '1' } })
    expect(loud.err).toContain('TypeError: inner words\n    at ')
  })

  it('escapes control characters of errors', async () => {
    const outcome = await runWith(
      programOf(failing(new DomainError('ERR_NOT_FOUND', 'no \u001b[2J'))),
      ['fail'],
    )
    expect(outcome.err).toBe('sample: no \\x1b[2J\n')
  })

  it('prints the version and, without a command, the help with status 2', async () => {
    const program = programOf(echoCommand())
    expect(await runWith(program, ['--version'])).toEqual({
      status: 0,
      out: 'sample 1.2.3\n',
      err: '',
    })
    expect(JSON.parse((await runWith(program, ['--json', '--version'])).out)).toEqual({
      name: 'sample',
      version: '1.2.3',
    })
    const bare = await runWith(program, [])
    expect([bare.status, bare.out]).toEqual([2, ''])
    expect(bare.err).toContain('Usage: sample')
  })

  it('resolves the home: --home before KEYHSM_HOME before the installed default', async () => {
    const program = programOf(echoCommand({ run: async ({ home }) => home.client }))
    const env = { KEYHSM_HOME: '/env' }
    expect((await runWith(program, ['echo', '--home', '/flag'], { env })).out).toBe(
      '/flag/client\n',
    )
    expect((await runWith(program, ['echo'], { env })).out).toBe('/env/client\n')
    expect((await runWith(program, ['echo'])).out).toBe('/nonexistent/sample/client\n')
  })
})

function failing(error: unknown) {
  return echoCommand({
    name: 'fail',
    run: async () => {
      throw error
    },
  })
}

describe('runProgram as a process', () => {
  let folder: string
  let script: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'command-line-'))
    script = join(folder, 'sample.mjs')
    const entry = join(import.meta.dirname, '../dist/index.js')
    writeFileSync(
      script,
      `import { runProgram, homeIn } from ${JSON.stringify(entry)}
      const commands = [
        { name: 'flood', summary: 's', run: async () => 'x'.repeat(1 << 20) },
        { name: 'ask', summary: 's', run: async (_, io) => [await io.ask('one? '), await io.ask('two? ')] },
      ]
      const program = { name: 'sample', version: '1', summary: 's', commands, defaultHome: () => homeIn('/x') }
      process.exitCode = await runProgram(program, process.argv.slice(2))`,
    )
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('is quiet when the reader of standard output goes away', () => {
    const command = `"${process.execPath}" "${script}" flood | head -c 3; echo " $PIPESTATUS"`
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', command], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    expect([stdout, stderr]).toEqual(['xxx 0\n', ''])
  })

  it('says so when standard output cannot be written', () => {
    const full = openSync('/dev/full', 'w')
    const { status, stderr } = spawnSync(process.execPath, [script, 'flood'], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', full, 'pipe'],
    })
    expect([status, stderr]).toEqual([69, 'sample: cannot write the result to standard output\n'])
  })

  it('ends although its standard input stays open, with every answer of one chunk used', async () => {
    const child = spawn(process.execPath, [script, 'ask'], { timeout: 20_000 })
    child.stdin.write('first\nsecond\nthird\n')
    let out = ''
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    const status = await new Promise((resolve) => child.once('close', resolve))
    expect([status, out]).toEqual([0, 'first\nsecond\n'])
  })
})
