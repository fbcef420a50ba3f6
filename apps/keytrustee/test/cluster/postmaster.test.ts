import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  findImpostor,
  findLeftovers,
  findPostmaster,
  parsePidFile,
} from '../../src/cluster/postmaster.js'
import { removeDirectory } from '../support/unprivileged.js'

const file = (pid: number | string, status = 'ready   ') =>
  `${pid}\n/srv/db/data\n1793170000\n11381\n/srv/db/run\n\n 1234567 65536\n${status}\n`

describe('parsePidFile', () => {
  it('reads pid, port, socket directory and status', () => {
    expect(parsePidFile(file(4711))).toEqual({
      pid: 4711,
      port: 11381,
      socketDirectory: '/srv/db/run',
      status: 'ready',
    })
  })

  it('reads one that is still being written', () => {
    expect(parsePidFile('4711\n')).toEqual({
      pid: 4711,
      port: undefined,
      socketDirectory: undefined,
      status: undefined,
    })
  })

  it.each(['', '\n', 'x\n', '0\n', '1\n', '12.5\n'])('finds no pid in %j', (text) => {
    expect(parsePidFile(text)).toBeUndefined()
  })
})

describe('a pid file', () => {
  let data: string
  beforeAll(() => {
    data = mkdtempSync('/tmp/kt-pid-')
  })
  afterAll(() => removeDirectory(data))
  const write = (pid: number) => writeFileSync(join(data, 'postmaster.pid'), file(pid))

  it('that is not there means nothing runs', async () => {
    expect(await findPostmaster(data)).toBeUndefined()
    expect(await findImpostor(data)).toBeUndefined()
    expect(await findLeftovers(data)).toEqual([])
  })

  it('with another program’s pid names an impostor, no postmaster', async () => {
    write(process.pid)
    expect(await findPostmaster(data)).toBeUndefined()
    expect(await findImpostor(data)).toBe(process.pid)
  })

  it('with a free pid is left to PostgreSQL', async () => {
    write(2 ** 22 - 1)
    expect(await findPostmaster(data)).toBeUndefined()
    expect(await findImpostor(data)).toBeUndefined()
  })
})
