import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type DomainError, hasCode } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { Audit } from '../../src/audit/audit.js'
import { type Disk, realDisk } from '../../src/audit/log-file.js'
import { openAuditOn } from '../../src/audit/open-audit.js'
import { verifyAudit } from '../../src/audit/verify-audit.js'
import { entry, readLog, signer, useDirectory } from './audit-testing.js'

/** For machines that have other things to do. */
const patience = { timeout: 15_000, interval: 10 }

const directory = useDirectory()
const verify = () => verifyAudit({ directory: directory.path, publicKey: signer.publicKey })
const unavailable = (error: unknown) => hasCode(error, 'ERR_AUDIT_UNAVAILABLE')

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** The real disk, until told otherwise. */
class FaultyDisk implements Disk {
  failSync: string | undefined
  failWrite: string | undefined
  /** Writes at most this many bytes at once. */
  shortWrite = Number.MAX_SAFE_INTEGER
  readonly failedOn: number[] = []
  readonly syncedOn: number[] = []

  async write(descriptor: number, bytes: Buffer, offset: number): Promise<number> {
    const part = bytes.subarray(0, offset + this.shortWrite)
    const written = await realDisk.write(descriptor, part, offset)
    if (this.failWrite !== undefined && offset > 0) throw systemError(this.failWrite)
    this.syncedOn.push(descriptor)
    if (this.failSync !== undefined) {
      this.failedOn.push(descriptor)
      throw systemError(this.failSync)
    }
    return written
  }
}

async function open(disk: Disk, more = {}): Promise<{ audit: Audit; told: DomainError[] }> {
  const told: DomainError[] = []
  const audit = await openAuditOn(
    {
      directory: directory.path,
      service: 'test',
      signer,
      retryMs: 20,
      onProblem: (error) => told.push(error),
      ...more,
    },
    disk,
  )
  return { audit, told }
}

describe('a write that the disk did not keep', () => {
  it('refuses all that waits, turns health red, and the file is never synced again', async () => {
    const disk = new FaultyDisk()
    const { audit, told } = await open(disk, { retryMs: 60_000 })
    await audit.append(entry(1))
    await audit.checkpoint()
    disk.failSync = 'EIO'
    const results = await Promise.allSettled([2, 3, 4].map((n) => audit.append(entry(n))))
    for (const result of results) {
      expect(result.status === 'rejected' && unavailable(result.reason)).toBe(true)
    }
    expect(audit.state()).toEqual({
      healthy: false,
      detail: 'the audit cannot be written: input/output error (EIO)',
    })
    expect(told.map((error) => error.message)).toEqual([audit.state().detail])
    expect(told[0]?.message).not.toContain(directory.path)
    disk.failSync = undefined
    const later = audit.append(entry(5))
    await expect(later).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    const error: unknown = await later.catch((thrown: unknown) => thrown)
    expect((error as DomainError).retryAfterMs).toBeGreaterThan(50_000)
    expect(disk.failedOn).toHaveLength(1)
    expect(disk.syncedOn.lastIndexOf(disk.failedOn[0] ?? -1)).toBe(disk.syncedOn.length - 1)
    expect(audit.head().sequence).toBe(1)
    await audit.close()
    expect(await verify()).toMatchObject({ ok: true, entries: 1, voided: 0 })
  })

  it('is over when a new file takes entries; the chain goes on and says so', async () => {
    const disk = new FaultyDisk()
    const { audit, told } = await open(disk)
    await audit.append(entry(1))
    await audit.checkpoint()
    disk.failSync = 'EIO'
    await expect(audit.append(entry(2))).rejects.toSatisfy(unavailable)
    disk.failSync = undefined
    await expect.poll(() => audit.state().healthy, patience).toBe(true)
    const { sequence } = await audit.append(entry(3))
    await audit.close()
    const report = await verify()
    expect(report).toMatchObject({ ok: true, entries: sequence, voided: 0 })
    expect(report.files).toBeGreaterThanOrEqual(2)
    const note = readLog(directory.path, 'audit.log').find((l) => l.includes('audit-recovered'))
    expect(JSON.parse(note ?? '')).toMatchObject({
      event: 'note',
      reason: 'the audit cannot be written: input/output error (EIO)',
    })
    expect(readLog(directory.path, 'audit.000001.log').join()).not.toContain('"n":2')
    expect(told.length).toBeGreaterThan(0)
  })

  it('that lasts does not cost a file a try', async () => {
    const disk = new FaultyDisk()
    const { audit } = await open(disk, { retryMs: 5 })
    await audit.append(entry(1))
    disk.failSync = 'EIO'
    for (let refused = 0; refused <= 10 || disk.failedOn.length <= 2; refused += 1) {
      await expect(audit.append(entry(2))).rejects.toThrow()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const files = () => readdirSync(directory.path).sort()
    await expect
      .poll(files, patience)
      .toEqual(['audit.000001.log', 'audit.id', 'audit.lock', 'audit.log'])
    disk.failSync = undefined
    await expect.poll(() => audit.state().healthy, patience).toBe(true)
    await audit.append(entry(3))
    await audit.close()
    expect((await verify()).ok).toBe(true)
  })
})

describe('a failed write', () => {
  it('half way through a line leaves nothing behind', async () => {
    const disk = new FaultyDisk()
    const { audit } = await open(disk)
    await audit.append(entry(1))
    disk.shortWrite = 7
    expect((await audit.append(entry(2))).sequence).toBe(2)
    disk.failWrite = 'ENOSPC'
    await expect(audit.append(entry(3))).rejects.toThrow(/no space left on the device \(ENOSPC\)/)
    disk.failWrite = undefined
    await expect.poll(() => audit.state().healthy, patience).toBe(true)
    await audit.append(entry(4))
    await audit.close()
    const report = await verify()
    expect(report).toMatchObject({ ok: true, voided: 0, unfinishedBytes: 0 })
  })

  it('whose rest could not be taken off is left out by the next file', async () => {
    const disk = new FaultyDisk()
    const { audit } = await open(disk, { retryMs: 60_000 })
    await audit.append(entry(1))
    await audit.checkpoint()
    disk.failSync = 'EIO'
    let kept = ''
    const write = disk.write.bind(disk)
    disk.write = (descriptor, bytes, offset) => {
      kept = bytes.toString().trimEnd()
      return write(descriptor, bytes, offset)
    }
    await expect(audit.append(entry(2))).rejects.toSatisfy(unavailable)
    await audit.close()
    // As after a power cut that brought the cut bytes back, with a next file that began before them.
    const { audit: again } = await open(realDisk, { maxFileBytes: 1 })
    await again.append(entry(3))
    await again.close()
    appendFileSync(join(directory.path, 'audit.000001.log'), `${kept}\n{"sequence":3,`)
    expect(kept).toContain('"n":2')
    expect(await verify()).toMatchObject({ ok: true, voided: 2, entries: 2 })
    const changed = kept.replace('"n":2', '"n":9')
    appendFileSync(join(directory.path, 'audit.000001.log'), `\n${changed}\n`)
    expect((await verify()).ok).toBe(false)
  })
})

describe('recovery', () => {
  it('tells when acknowledged entries are gone from the file', async () => {
    const disk = new FaultyDisk()
    const { audit } = await open(disk)
    for (let n = 0; n < 5; n += 1) await audit.append(entry(n))
    truncateSync(join(directory.path, 'audit.log'), 600)
    disk.failSync = 'EIO'
    await expect(audit.append(entry(6))).rejects.toSatisfy(unavailable)
    disk.failSync = undefined
    await expect.poll(() => audit.state().healthy, patience).toBe(true)
    await audit.close()
    expect(readLog(directory.path).join()).toContain('entries written before are gone')
    expect((await verify()).faults.some((fault) => fault.what.startsWith('missing'))).toBe(true)
  })

  it('waits for the directory to come back', async () => {
    const disk = new FaultyDisk()
    const { audit } = await open(disk)
    await audit.append(entry(1))
    // A directory in the way of the next file.
    mkdirSync(join(directory.path, 'audit.log.next'))
    writeFileSync(join(directory.path, 'audit.log.next', 'x'), '')
    disk.failSync = 'EIO'
    await expect(audit.append(entry(2))).rejects.toSatisfy(unavailable)
    disk.failSync = undefined
    await expect(audit.append(entry(3))).rejects.toSatisfy(unavailable)
    expect(audit.state().healthy).toBe(false)
    rmSync(join(directory.path, 'audit.log.next'), { recursive: true })
    await expect.poll(() => audit.state().healthy, patience).toBe(true)
    await audit.append(entry(4))
    await audit.close()
    expect((await verify()).ok).toBe(true)
  })
})
