import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { archiveAudit, archiveOf } from '../../src/audit/archive.js'
import { type ExportOptions, exportEntries } from '../../src/audit/export-entries.js'
import { sha256Hex } from '../../src/audit/lines.js'
import { readAuditEntries } from '../../src/audit/read-entries.js'
import { verifyAudit } from '../../src/audit/verify-audit.js'
import { entry, readLog, signer, useDirectory, writeLog } from './audit-testing.js'

const directory = useDirectory()
const archive = () => join(directory.path, '..', 'archive')
const verify = (more = {}) =>
  verifyAudit({ directory: directory.path, publicKey: signer.publicKey, ...more })
const closed = (folder: string) =>
  readdirSync(folder).filter((name) => /^audit\.\d+\.log$/.test(name))

async function lines(more: Partial<ExportOptions> = {}): Promise<string[]> {
  const o = { directory: directory.path, since: new Date(0), form: 'json', ...more } as const
  const found: string[] = []
  for await (const line of exportEntries(o)) found.push(line)
  return found
}

/** Three closed files and one that is written. */
beforeEach(() => writeLog(directory.path, 40, { maxFileBytes: 4096, checkpointEvery: 8 }))

describe('archived files of an audit', () => {
  it('leave their folder but the newest, and the chain holds over both', async () => {
    const before = closed(directory.path)
    expect(before.length).toBeGreaterThan(2)
    const report = await archiveAudit({ directory: directory.path, to: archive() })
    expect(report.moved).toEqual(before.slice(0, -1))
    expect(report.kept).toBe(1)
    expect(closed(directory.path)).toEqual(before.slice(-1))
    expect(closed(archive())).toEqual(before.slice(0, -1))
    expect(await archiveOf(directory.path)).toBe(archive())
    expect(await verify()).toMatchObject({ ok: true, entries: 40, files: before.length + 1 })
    // The service goes on, and the next archive adds to the first.
    await writeLog(directory.path, 20, { maxFileBytes: 4096 })
    await archiveAudit({ directory: directory.path, to: archive(), keep: 2 })
    expect(closed(directory.path)).toHaveLength(2)
    expect(await verify()).toMatchObject({ ok: true, entries: 60 })
  })

  it('that are missing, changed, or cannot be reached are found, with the folder to give', async () => {
    await archiveAudit({ directory: directory.path, to: archive() })
    const [first = '', second = ''] = closed(archive())
    const text = readFileSync(join(archive(), second), 'utf8')
    writeFileSync(join(archive(), second), text.replace('"n":', '"m":'))
    expect((await verify()).faults[0]).toMatchObject({ file: second, what: /changed/ })
    writeFileSync(join(archive(), second), text)
    rmSync(join(archive(), first))
    expect((await verify()).faults[0]?.what).toMatch(/missing file/)
    const { ok, faults } = await verify({ archive: join(archive(), 'elsewhere') })
    expect(ok).toBe(false)
    expect(faults[0]?.what).toMatch(/missing file.*archived files are looked for in .*elsewhere/)
  })

  it('are read by exports and replays: every entry once, in order, with its hash', async () => {
    const before = await lines()
    await archiveAudit({ directory: directory.path, to: archive() })
    const after = await lines()
    expect(after).toEqual(before)
    expect(after).toHaveLength(40)
    for (const line of after) {
      const { hash } = JSON.parse(line) as { hash: string }
      expect(sha256Hex(line.replace(/,"hash":"[0-9a-f]{64}"\}$/, '}'))).toBe(hash)
    }
    let sequence = 0
    for await (const { head } of readAuditEntries(directory.path, 0))
      expect(head.sequence).toBe((sequence += 1))
    expect(sequence).toBe(40)
  })

  it('refuse a folder of another log, another file of the name, and a second place; then nothing is lost', async () => {
    const to = archive()
    const run = (more = {}) => archiveAudit({ directory: directory.path, to, ...more })
    await expect(run({ to: 'here' })).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
    await expect(run({ keep: 0 })).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
    mkdirSync(to)
    writeFileSync(join(to, 'audit.id'), '0123456789abcdef\n')
    await expect(run()).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
    rmSync(join(to, 'audit.id'))
    writeFileSync(join(to, 'audit.000001.log'), 'another\n')
    await expect(run()).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
    rmSync(join(to, 'audit.000001.log'))
    // As after a crash half-way: a copy that was not finished, and one that was.
    writeFileSync(join(to, 'audit.000001.log.partial'), 'half')
    writeFileSync(
      join(to, 'audit.000002.log'),
      readFileSync(join(directory.path, 'audit.000002.log')),
    )
    await run()
    expect((await verify()).ok).toBe(true)
    await expect(run({ to: join(to, 'second') })).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
  })
})

describe('exports', () => {
  it('give what was written within the time', async () => {
    const [first = ''] = readLog(directory.path).slice(-1)
    expect(first).not.toBe('')
    expect(await lines({ since: new Date(Date.now() + 60_000) })).toEqual([])
    expect(await lines({ until: new Date(Date.now() - 60_000) })).toEqual([])
    expect(await lines({ until: new Date(Date.now() + 60_000) })).toHaveLength(40)
  })

  it('have a form for syslog: facility audit, a warning for what somebody should look at', async () => {
    await writeLog(directory.path, 0)
    const { openAudit } = await import('../../src/audit/open-audit.js')
    const audit = await openAudit({ directory: directory.path, service: 'test', signer })
    await audit.append(entry(1, { event: 'outcome', outcome: 'integrity', operation: 'get it' }))
    await audit.close()
    const all = await lines({ form: 'syslog' })
    expect(all[0]).toMatch(/^<110>1 \d{4}-\S+Z \S+ test - test - \{"sequence":1,.*\}$/)
    expect(all.at(-1)).toMatch(/^<108>1 \S+ \S+ test - get_it - \{.*"outcome":"integrity".*\}$/)
  })
})
