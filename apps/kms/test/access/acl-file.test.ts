import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type AclFile, openAclFile } from '../../src/access/acl-file.js'
import { mayDo } from '../../src/access/acls.js'
import { xml } from '../support/test-kms.js'

const hdfs = { user: 'hdfs', groups: [] }
const blocked = xml({ 'hadoop.kms.blacklist.DECRYPT_EEK': 'hdfs' })
let directory: string
let path: string
let file: AclFile | undefined
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'acls-'))
  path = join(directory, 'kms-acls.xml')
})
afterEach(() => {
  file?.close()
  file = undefined
  rmSync(directory, { recursive: true })
})
const maySo = () => file && mayDo(file.current(), 'DECRYPT_EEK', hdfs)

describe('kms-acls.xml', () => {
  it('must be there at the start', async () => {
    const opened = openAclFile(
      path,
      () => undefined,
      () => undefined,
    )
    await expect(opened).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  })

  it('keeps its rules when it goes away, says so once, and is followed when it is back', async () => {
    writeFileSync(path, blocked)
    const faults: string[] = []
    let changes = 0
    file = await openAclFile(
      path,
      () => (changes += 1),
      ({ message }) => faults.push(message),
    )
    renameSync(path, `${path}.away`)
    await vi.waitFor(() => expect(faults).toHaveLength(1), 5_000)
    expect(faults[0]).toContain('kms-acls.xml is not there')
    await expect(file.prepare(path)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
    expect([maySo(), changes]).toEqual([false, 1])
    writeFileSync(path, xml({}))
    await vi.waitFor(() => expect(changes).toBe(2), 5_000)
    expect(maySo()).toBe(true)
  })

  it('is read without being put in use, and the file whose rules are in use is the one followed', async () => {
    writeFileSync(path, blocked)
    file = await openAclFile(
      path,
      () => undefined,
      () => undefined,
    )
    const other = join(directory, 'other.xml')
    writeFileSync(other, xml({}))
    const rules = await file.prepare(other)
    expect([maySo(), mayDo(rules.acls, 'DECRYPT_EEK', hdfs)]).toEqual([false, true])
    rules.use()
    expect(maySo()).toBe(true)
    writeFileSync(other, blocked)
    await vi.waitFor(() => expect(maySo()).toBe(false), 5_000)
  })
})
