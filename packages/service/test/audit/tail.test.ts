import { appendFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatEntry, formatFields, formatHeader, genesis } from '../../src/audit/lines.js'
import { readTail } from '../../src/audit/tail.js'
import { entry, readLog, useDirectory, writeLog } from './audit-testing.js'

const directory = useDirectory()
const path = () => join(directory.path, 'audit.log')
const tail = (window?: number) => readTail(path(), statSync(path()).size, window)

describe('readTail', () => {
  it('finds the last entry, the last checkpoint and no fault, whatever part is looked at', async () => {
    await writeLog(directory.path, 30)
    const size = statSync(path()).size
    for (const window of [1, 200, 400, 1_000, 5_000, size, 10 * size]) {
      const found = await tail(window)
      expect(found).toMatchObject({ damaged: false, wholeBytes: size, checkpointed: 30 })
      expect(found.head?.sequence).toBe(30)
      expect(found.torn).toHaveLength(0)
    }
  })

  it('leaves out what is behind the size it is given', async () => {
    await writeLog(directory.path, 3)
    const [header = '', first = ''] = readLog(directory.path)
    const size = Buffer.byteLength(`${header}\n${first}\n`)
    expect((await readTail(path(), size)).head?.sequence).toBe(1)
    const torn = await readTail(path(), size + 5)
    expect([torn.head?.sequence, torn.torn.length, torn.wholeBytes]).toEqual([1, 5, size])
  })

  it('takes the head from the header where there is no entry yet', async () => {
    mkdirSync(directory.path)
    const head = { sequence: 9, hash: 'b'.repeat(64) }
    writeFileSync(path(), formatHeader('s', 2, head))
    expect(await tail()).toMatchObject({ head, damaged: false })
  })

  it('finds no head in an empty or foreign file', async () => {
    mkdirSync(directory.path)
    for (const text of ['', 'x', 'x\ny\n']) {
      writeFileSync(path(), text)
      expect(await tail()).toMatchObject({ head: undefined, header: undefined, damaged: true })
    }
  })

  it('goes on from the last entry that is what its hash says, and tells of a break', async () => {
    await writeLog(directory.path, 3)
    const at = new Date(0).toISOString()
    const place = { head: { sequence: 7, hash: genesis.hash }, at, service: 'test' }
    appendFileSync(path(), formatEntry(formatFields(entry(8)), place).line)
    expect(await tail()).toMatchObject({ damaged: true, head: { sequence: 8 } })
    appendFileSync(path(), 'garbage\n')
    expect(await tail()).toMatchObject({ damaged: true, head: { sequence: 8 } })
  })
})
