import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DomainError, hasCode } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { AuditEntry } from '../../src/audit/audit.js'
import { openAudit } from '../../src/audit/open-audit.js'
import { verifyAudit } from '../../src/audit/verify-audit.js'
import { entry, readLog, signer, useDirectory, writeLines, writeLog } from './audit-testing.js'

/** For machines that have other things to do. */
const patience = { timeout: 15_000, interval: 10 }

const directory = useDirectory()
const open = (more = {}) => openAudit({ directory: directory.path, service: 'test', ...more })
const verify = () => verifyAudit({ directory: directory.path, publicKey: signer.publicKey })
const unavailable = (error: unknown) => hasCode(error, 'ERR_AUDIT_UNAVAILABLE')

describe('openAudit', () => {
  it('writes entries as canonical lines, in files for their owner alone', async () => {
    const audit = await open({ clock: { now: () => new Date('2026-01-02T03:04:05.678Z') } })
    const first = await audit.append({
      event: 'outcome',
      operation: 'put',
      requestId: 'r',
      actor: 'a\n"',
      subject: { handle: 'h', revision: 1 },
      outcome: 'stored',
      reason: 'why',
    })
    expect(audit.head()).toEqual(first)
    await audit.close()
    const zeros = '0'.repeat(64)
    expect(readLog(directory.path)).toEqual([
      `{"type":"rotate","format":1,"service":"test","file":1,"sequence":0,"previous":"${zeros}"}`,
      `{"sequence":1,"at":"2026-01-02T03:04:05.678Z","service":"test","event":"outcome","operation":"put",` +
        `"requestId":"r","actor":"a\\n\\"","subject":{"handle":"h","revision":1},"outcome":"stored","reason":"why",` +
        `"previous":"${zeros}","hash":"${first.hash}"}`,
    ])
    expect(statSync(directory.path).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(directory.path)) {
      expect(statSync(join(directory.path, name)).mode & 0o777).toBe(0o600)
    }
  })

  it('tightens a directory that is open to others', async () => {
    mkdirSync(directory.path, { recursive: true, mode: 0o755 })
    await (await open()).close()
    expect(statSync(directory.path).mode & 0o777).toBe(0o700)
  })

  it('refuses a second open of the same directory until the first is closed', async () => {
    const audit = await open()
    await expect(open()).rejects.toThrow('another process has this audit open')
    await audit.close()
    await (await open()).close()
  })

  it('refuses a directory that cannot be one, without naming it', async () => {
    mkdirSync(dirname(directory.path), { recursive: true })
    writeFileSync(directory.path, '')
    const opened = open()
    await expect(opened).rejects.toSatisfy(unavailable)
    await expect(opened).rejects.not.toThrow(directory.path)
    await expect(openAudit({ directory: '/proc/no-such', service: 's' })).rejects.toSatisfy(
      unavailable,
    )
  })

  it('lets many appends share a write and keeps their order', async () => {
    const audit = await open()
    const heads = await Promise.all(Array.from({ length: 500 }, (_, n) => audit.append(entry(n))))
    expect(heads.map((head) => head.sequence)).toEqual(heads.map((_, n) => n + 1))
    await audit.close()
    expect(await verifyAudit({ directory: directory.path })).toMatchObject({
      ok: true,
      entries: 500,
    })
    const subjects = readLog(directory.path)
      .slice(1)
      .map((line) => (JSON.parse(line) as AuditEntry).subject?.n)
    expect(subjects).toEqual(heads.map((_, n) => n))
  })

  it('refuses an entry that cannot be a line, and goes on', async () => {
    const audit = await open()
    const bad: AuditEntry[] = [
      entry(1, { reason: 'x'.repeat(17_000) }),
      entry(1, { outcome: 'done' }),
      entry(1, { event: 'outcome' }),
      entry(1, { event: 'outcome', outcome: 'excellent' as 'done' }),
    ]
    for (const one of bad) {
      await expect(audit.append(one)).rejects.toSatisfy((e) => hasCode(e, 'ERR_INVALID_INPUT'))
    }
    expect((await audit.append(entry(1))).sequence).toBe(1)
    await audit.close()
  })

  it('refuses entries after it was closed, and says so', async () => {
    const audit = await open()
    const last = audit.append(entry(1))
    await audit.close()
    await audit.close()
    expect((await last).sequence).toBe(1)
    await expect(audit.append(entry(2))).rejects.toSatisfy(unavailable)
    expect(audit.state()).toEqual({ healthy: false, detail: 'the audit is closed' })
  })

  it('continues the chain when opened again, over any number of files', async () => {
    for (let i = 0; i < 3; i += 1) await writeLog(directory.path, 20, { maxFileBytes: 2_000 })
    const report = await verify()
    expect(report).toMatchObject({ ok: true, entries: 60, last: { sequence: 60 }, service: 'test' })
    expect(report.files).toBeGreaterThan(5)
    expect(readdirSync(directory.path)).toContain('audit.000001.log')
    const second = JSON.parse(readLog(directory.path, 'audit.000002.log')[0] ?? '') as object
    const before = readLog(directory.path, 'audit.000001.log').filter(
      (l) => !l.includes('checkpoint'),
    )
    const last = JSON.parse(before.at(-1) ?? '') as { sequence: number; hash: string }
    expect(second).toEqual({
      type: 'rotate',
      format: 1,
      service: 'test',
      file: 2,
      sequence: last.sequence,
      previous: last.hash,
    })
  })

  it('records what a peer says its head is', async () => {
    const audit = await open()
    await audit.anchor('peer', 7, 'f'.repeat(64))
    await audit.anchor('peer', 9, 'e'.repeat(64))
    await audit.close()
    const { anchors } = await verifyAudit({ directory: directory.path })
    expect(anchors).toEqual({ peer: { sequence: 9, hash: 'e'.repeat(64) } })
  })
})

describe('openAudit after a crash', () => {
  it('takes off a torn last line and notes it', async () => {
    await writeLog(directory.path, 3)
    const whole = readLog(directory.path)
    appendFileSync(join(directory.path, 'audit.log'), '{"sequence":4,"at"')
    expect(await verify()).toMatchObject({ ok: true, unfinishedBytes: 18 })
    await writeLog(directory.path, 1)
    const lines = readLog(directory.path)
    expect(lines.slice(0, whole.length)).toEqual(whole)
    expect(JSON.parse(lines[whole.length] ?? '')).toMatchObject({
      sequence: 4,
      event: 'note',
      operation: 'audit-cut',
      subject: { bytes: 18 },
    })
    expect(await verify()).toMatchObject({ ok: true, entries: 5, unfinishedBytes: 0 })
  })

  it('leaves damaged lines as evidence, notes them and goes on', async () => {
    await writeLog(directory.path, 5)
    const lines = readLog(directory.path).map((line) => line.replace('"n":3', '"n":9'))
    writeLines(directory.path, [...lines, 'garbage'])
    await writeLog(directory.path, 1)
    const report = await verify()
    expect(report.entries).toBe(7)
    expect(report.faults.map((fault) => fault.what)).toEqual([
      'changed: the text does not have its hash',
      'changed: no line of an audit',
    ])
    expect(readLog(directory.path).some((line) => line.includes('audit-damaged'))).toBe(true)
  })

  it('finishes a rotation that was cut at any point', async () => {
    await writeLog(directory.path, 5)
    const lines = readLog(directory.path)
    // Before the rename: the new file is prepared, the old one has both names.
    writeLines(directory.path, ['unfinished'], 'audit.log.next')
    linkSync(join(directory.path, 'audit.log'), join(directory.path, 'audit.000001.log'))
    expect(await verify()).toMatchObject({ ok: true, files: 1, entries: 5 })
    await writeLog(directory.path, 1)
    expect(readLog(directory.path).slice(0, lines.length)).toEqual(lines)
    expect(await verify()).toMatchObject({ ok: true, files: 1, entries: 6 })
    expect(readdirSync(directory.path).sort()).toEqual(['audit.id', 'audit.lock', 'audit.log'])
  })

  it('begins the next file when audit.log is gone, and keeps an empty one as it is', async () => {
    await writeLog(directory.path, 5, { maxFileBytes: 500 })
    const files = (await verify()).files
    rmSync(join(directory.path, 'audit.log'))
    const cut = (await verify()).faults[0]
    expect(cut).toEqual({ file: 'audit.log', line: 0, what: 'missing file' })
    writeFileSync(join(directory.path, 'audit.log'), '')
    await writeLog(directory.path, 1)
    const report = await verify()
    expect(report.files).toBe(files + 1)
    expect(report.faults).toContainEqual({
      file: `audit.00000${files}.log`,
      line: 0,
      what: 'is empty: its header is missing',
    })
  })
})

describe('checkpoints', () => {
  const checkpoints = () => readLog(directory.path).filter((line) => line.includes('"checkpoint"'))

  it('come after the first entry, every so many entries, and at the end', async () => {
    await writeLog(directory.path, 50, { checkpointEvery: 20 })
    const sequences = checkpoints().map(
      (line) => (JSON.parse(line) as { sequence: number }).sequence,
    )
    expect(sequences.at(0)).toBeLessThan(20)
    expect(sequences.at(-1)).toBe(50)
    expect(sequences.length).toBeGreaterThanOrEqual(4)
    expect(await verify()).toMatchObject({
      ok: true,
      afterLastCheckpoint: 0,
      signatures: 'verified',
    })
  })

  it('are made on demand, once for one head, and with time', async () => {
    const audit = await open({ signer, checkpointIntervalMs: 20 })
    await audit.append(entry(1))
    await Promise.all([audit.checkpoint(), audit.checkpoint()])
    await audit.checkpoint()
    expect(checkpoints()).toHaveLength(1)
    await audit.append(entry(2))
    await expect.poll(checkpoints, patience).toHaveLength(2)
    await audit.close()
    expect(checkpoints()).toHaveLength(2)
  })

  it('that cannot be signed fail nobody else, are told, and do not keep the audit open', async () => {
    const told: DomainError[] = []
    const broken = {
      ...signer,
      sign: () => Promise.reject(new DomainError('ERR_HSM_UNAVAILABLE', 'no HSM')),
    }
    const audit = await open({ signer: broken, onProblem: (e: DomainError) => told.push(e) })
    await audit.append(entry(1))
    await expect(audit.checkpoint()).rejects.toThrow('no HSM')
    expect(audit.state()).toEqual({
      healthy: true,
      detail: '1 entries, the last checkpoint failed',
      unsigned: 1,
      checkpointFailed: true,
    })
    await audit.append(entry(2))
    expect(told.map((e) => e.code)).toEqual(['ERR_HSM_UNAVAILABLE'])
    await audit.close()
    const report = await verify()
    expect(report).toMatchObject({ afterLastCheckpoint: 2, ok: false })
    expect(report.faults[0]?.what).toMatch(/nothing proves/)
  })

  it('asked for while one is under way are about the head of that time', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let signatures = 0
    const audit = await open({
      signer: {
        ...signer,
        sign: async (message: Buffer) => {
          signatures += 1
          await held
          return signer.sign(message)
        },
      },
    })
    await audit.append(entry(1))
    await expect.poll(() => signatures, patience).toBe(1)
    await audit.append(entry(2))
    const asked = audit.checkpoint()
    const closed = audit.close()
    release()
    await Promise.all([asked, closed])
    expect(await verify()).toMatchObject({ ok: true, lastCheckpoint: { sequence: 2 } })
    expect(checkpoints()).toHaveLength(2)
  })

  it('of a slow signer sign a head that is still near', async () => {
    let slow = true
    const audit = await open({
      checkpointEvery: 1_000_000,
      signer: {
        ...signer,
        sign: async (message: Buffer) => {
          if (slow) {
            slow = false
            await Promise.all(Array.from({ length: 9_000 }, (_, n) => audit.append(entry(n))))
          }
          return signer.sign(message)
        },
      },
    })
    await audit.append(entry(0))
    await audit.checkpoint()
    expect(checkpoints()).toHaveLength(1)
    await audit.close()
    expect(await verify()).toMatchObject({ ok: true, afterLastCheckpoint: 0, entries: 9_001 })
  })
})
