import { describe, expect, it } from 'vitest'
import { homeIn } from '../src/home.js'
import type { Command, Input, Io } from '../src/records.js'
import { homeArguments, serviceCommands } from '../src/service-commands.js'

function make(more: { check?: () => Promise<void>; outcome?: 'stopped' | 'not-running' } = {}) {
  const done: string[] = []
  const note = <Value>(what: string, value: Value) => {
    done.push(what)
    return Promise.resolve(value)
  }
  const commands = serviceCommands({
    summaries: { start: 's', stop: 't', restart: 'r', reload: 'l' },
    startOptions: [{ flag: 'debug', describe: 'd' }],
    stopOptions: [{ flag: 'drain', value: 'TIME', describe: 'd' }],
    starter: () =>
      note('ask', {
        check: more.check ?? (() => note('check', undefined)),
        inBackground: () => note('start', { ready: 'is ready', pid: 7 }),
        here: () => note('serve', 70),
      }),
    stop: () => note('stop', more.outcome ?? 'stopped'),
    reload: () => note('reload', { applied: ['another TLS certificate'], needsRestart: ['port'] }),
  })
  return { done, commands }
}

async function run(command: Command, options: Input['options'] = {}) {
  const said: string[] = []
  const io = { words: (line: string) => void said.push(line) } as unknown as Io
  const value = await command.run({ args: {}, options, files: {}, home: homeIn('/h') }, io)
  await command.print?.(value as never, io)
  return { value, said, exit: command.exitCode?.(value as never) ?? 0 }
}

describe('service commands', () => {
  it('start in the background, or serve here with the exit status of the service', async () => {
    const { commands, done } = make()
    expect(await run(commands.start)).toMatchObject({ said: ['is ready (pid 7)'], exit: 0 })
    expect(await run(commands.start, { foreground: true })).toMatchObject({ said: [], exit: 70 })
    expect(done).toEqual(['ask', 'start', 'ask', 'serve'])
  })

  it('stop, also what does not run', async () => {
    expect((await run(make().commands.stop)).said).toEqual(['stopped'])
    const idle = await run(make({ outcome: 'not-running' }).commands.stop)
    expect(idle).toMatchObject({ said: ['is not running'], value: { outcome: 'not-running' } })
  })

  it('restart: refused while the old one runs when a new one could not start', async () => {
    const { commands, done } = make()
    expect((await run(commands.restart)).said).toEqual(['stopped', 'is ready (pid 7)'])
    expect(done).toEqual(['ask', 'check', 'stop', 'start'])
    const broken = make({ check: () => Promise.reject(new Error('line 3')) })
    await expect(run(broken.commands.restart)).rejects.toThrow('line 3')
    expect(broken.done).toEqual(['ask'])
  })

  it('take the options of each way', () => {
    const { start, stop, restart } = make().commands
    const flags = ({ options = [] }: Command) => options.map(({ flag }) => flag)
    expect([flags(start), flags(stop), flags(restart)]).toEqual([
      ['foreground', 'debug'],
      ['drain'],
      ['drain', 'debug'],
    ])
  })

  it('give a process of the same installation its home, but the installed one', () => {
    const home = homeIn('/h')
    expect(homeArguments({ home }, 'keyhsm')).toEqual(['--home', '/h'])
    expect(homeArguments({ home: { ...home, keyhsm: '/h' } }, 'keyhsm')).toEqual([])
  })
})
