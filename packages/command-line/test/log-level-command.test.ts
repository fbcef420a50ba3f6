import { describe, expect, it } from 'vitest'
import { logLevelCommand } from '../src/log-level-command.js'
import type { Input, Io } from '../src/records.js'

const orders: unknown[] = []
const command = logLevelCommand({
  levels: ['debug', 'configured'],
  maxMs: 3_600_000,
  ask: (_, order) => {
    orders.push(order)
    return Promise.resolve({ level: order.level, until: '2026-01-01T00:00:00.000Z' })
  },
})

const run = (level: string, options: Input['options'] = {}) =>
  command.run({ args: { LEVEL: level }, options, files: {}, home: {} as Input['home'] }, {} as Io)

describe('log-level', () => {
  it('orders a level for ten minutes, or as long as is said', async () => {
    await run('debug')
    await run('debug', { for: '30s' })
    expect(orders).toEqual([
      { level: 'debug', forMs: 600_000 },
      { level: 'debug', forMs: 30_000 },
    ])
  })

  it('names the field of a wrong level and of a wrong time', () => {
    expect(() => run('loud')).toThrow('LEVEL must be one of debug, configured')
    expect(() => run('debug', { for: '2h' })).toThrow('--for must be from 1s to 1h')
    expect(() => run('debug', { for: '10ms' })).toThrow('--for must be')
    expect(() => run('debug', { for: 'soon' })).toThrow('--for must be a duration')
  })

  it('says until when', async () => {
    const said: string[] = []
    const io = { words: (line: string) => void said.push(line) } as unknown as Io
    await command.print?.({ level: 'debug', until: '2026-01-01T00:00:00.000Z' } as never, io)
    await command.print?.({ level: 'info' } as never, io)
    expect(said).toEqual(['the level is debug until 2026-01-01T00:00:00.000Z', 'the level is info'])
  })
})
