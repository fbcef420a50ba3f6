import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { hasCode } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { openAudit } from '../../src/audit/open-audit.js'
import { findSeenHeads } from '../../src/audit/seen-heads.js'
import { verifyAudit } from '../../src/audit/verify-audit.js'
import { entry, readLog, useDirectory, writeLines } from './audit-testing.js'

const own = useDirectory()
const other = useDirectory()

/** Two entries in our log, of which the other recorded the second. */
async function recorded(realm = ''): Promise<void> {
  const audit = await openAudit({ directory: own.path, service: 'test' })
  await audit.append(entry(1))
  const { sequence, hash } = await audit.append(entry(2))
  const witness = await openAudit({ directory: other.path, service: 'witness' })
  await witness.anchor(`test/${audit.id}${realm}`, sequence, hash)
  await Promise.all([audit.close(), witness.close()])
}

const verify = async () =>
  verifyAudit({
    directory: own.path,
    expectAtLeast: await findSeenHeads(own.path, other.path),
  })

describe('what another audit recorded', () => {
  it.each(['', '@realm-1'])('holds for the whole log (name ends in "%s")', async (realm) => {
    await recorded(realm)
    expect(await verify()).toMatchObject({ ok: true, entries: 2 })
  })

  it('shows that the tail was cut, where nothing in the log itself does', async () => {
    await recorded()
    writeLines(own.path, readLog(own.path).slice(0, -1))
    expect(await verifyAudit({ directory: own.path })).toMatchObject({ ok: true, entries: 1 })
    const { ok, faults } = await verify()
    expect(ok).toBe(false)
    expect(faults[0]?.what).toBe('cut: entry 2 was seen by others, the last is 1')
  })

  it('is of this log and no other', async () => {
    await recorded()
    rmSync(join(own.path, 'audit.id'))
    await (await openAudit({ directory: own.path, service: 'test' })).close()
    await expect(verify()).rejects.toSatisfy((error) => hasCode(error, 'ERR_NOT_FOUND'))
  })

  it('is not believed when that audit is faulty', async () => {
    await recorded()
    const changed = readLog(other.path).map((line) => line.replace('"sequence":2', '"sequence":1'))
    writeLines(other.path, changed)
    await expect(verify()).rejects.toSatisfy((error) => hasCode(error, 'ERR_INTEGRITY'))
  })
})
