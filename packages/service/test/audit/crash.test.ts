/** The audit in a process of its own that is killed, or that finds no room: with the real disk. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import type { AuditHead } from '../../src/audit/audit.js'
import { openAudit } from '../../src/audit/open-audit.js'
import { verifyAudit } from '../../src/audit/verify-audit.js'
import { entry, useDirectory } from './audit-testing.js'

const directory = useDirectory()
const program = fileURLToPath(new URL('../fixtures/audit-child.mjs', import.meta.url))

class Appender {
  readonly child: ChildProcess
  readonly acknowledged: AuditHead[] = []
  readonly refused: string[] = []
  readonly ended: Promise<void>

  constructor(atATime: number) {
    this.child = spawn(process.execPath, [program, directory.path, String(atATime)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: this.child.stdout ?? process.stdin })
    lines.on('line', (line) => {
      const [first = '', second = ''] = line.split(' ')
      if (first === 'refused') this.refused.push(line)
      // The last line may be cut by the kill: it was not acknowledged to anybody.
      else if (second.length === 64)
        this.acknowledged.push({ sequence: Number(first), hash: second })
    })
    this.ended = new Promise((resolve) => lines.once('close', () => resolve()))
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }
}

let appender: Appender | undefined
afterEach(() => appender?.kill())

const options = { timeout: 20_000, interval: 2 }

describe('a process that appends', () => {
  it('killed with -9 at any time has lost nothing it acknowledged', async () => {
    let all: AuditHead[] = []
    for (let round = 1; round <= 6; round += 1) {
      appender = new Appender(round % 2 === 0 ? 16 : 1)
      const { acknowledged } = appender
      await expect.poll(() => acknowledged.length, options).toBeGreaterThan(round * 37)
      await appender.kill()
      all = [...all, ...acknowledged]
      expect((await verifyAudit({ directory: directory.path, expectAtLeast: all })).faults).toEqual(
        [],
      )
    }
    const audit = await openAudit({ directory: directory.path, service: 'test' })
    await audit.append(entry(1))
    await audit.close()
    const report = await verifyAudit({ directory: directory.path, expectAtLeast: all })
    expect(report).toMatchObject({ ok: true, unfinishedBytes: 0, voided: 0 })
    expect(report.entries).toBeGreaterThan(all.length)
    expect(report.files).toBeGreaterThan(3)
  }, 60_000)

  it('that finds no room refuses, keeps the chain whole, and recovers by itself', async () => {
    appender = new Appender(4)
    const { acknowledged, refused, child } = appender
    const limitFiles = (bytes: string) =>
      execFileSync('prlimit', ['--pid', String(child.pid), `--fsize=${bytes}:`])
    await expect.poll(() => acknowledged.length, options).toBeGreaterThan(100)
    limitFiles('5000')
    await expect.poll(() => refused.length, options).toBeGreaterThan(20)
    expect(refused.at(-1)).toBe('refused ERR_AUDIT_UNAVAILABLE false')
    const before = acknowledged.length
    await expect.poll(() => refused.length, options).toBeGreaterThan(40)
    expect(acknowledged).toHaveLength(before)
    limitFiles('unlimited')
    await expect.poll(() => acknowledged.length, options).toBeGreaterThan(before + 100)
    await appender.kill()
    const report = await verifyAudit({ directory: directory.path, expectAtLeast: acknowledged })
    expect(report.faults).toEqual([])
    expect(report.voided).toBe(0)
  }, 60_000)
})
