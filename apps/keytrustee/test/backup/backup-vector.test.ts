/** A backup that was written once, by another program, must be read and loaded by every later release. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { decryptStream } from '@keyhsm/client'
import { expect, test } from 'vitest'
import { loadBackup } from '../../src/backup/load-backup.js'
import { collect } from '../../src/backup/frames.js'
import { type ReadBackup, readBackup } from '../../src/backup/read-backup.js'
import { migrations } from '../../src/store/postgres/migrations/index.js'
import { freshDatabase, withClient } from '../support/with-postgres.js'

const place = (name: string) => fileURLToPath(new URL(`./vectors/${name}`, import.meta.url))
const file = place('backup-v1.ktbackup')
const readKey = async () => ({
  identity: (await readFile(place('backup-v1.identity'), 'utf8')).trim(),
})

interface Maker {
  formatFrames(): Buffer
  expected(): string
}

test('is what its maker makes, byte by byte below the encryption', async () => {
  const maker = (await import(place('make.mjs'))) as Maker
  const text = await readFile(place('backup-v1.json'), 'utf8')
  expect(text).toBe(maker.expected())
  async function* bytes() {
    yield await readFile(file)
  }
  const plain = await decryptStream(bytes(), await readKey())
  const frames = gunzipSync(await collect(plain, 1024 * 1024))
  expect(frames.equals(maker.formatFrames())).toBe(true)
  const { framesSha256 } = JSON.parse(text) as { framesSha256: string }
  expect(createHash('sha256').update(frames).digest('hex')).toBe(framesSha256)
})

test('is read with all that it says of itself', async () => {
  const expected = JSON.parse(await readFile(place('backup-v1.json'), 'utf8')) as ReadBackup
  const names: string[] = []
  const read = await readBackup(file, await readKey(), {
    file: async ({ name, mode }) => void names.push(`${name} ${mode.toString(8)}`),
  })
  expect(names).toEqual(['grant.key 600', 'keytrustee.properties 640'])
  expect(JSON.parse(JSON.stringify(read))).toMatchObject({
    manifest: expected.manifest,
    totals: expected.totals,
  })
})

test('is loaded at its own schema, which is then brought up to date', async () => {
  const { administrator, service } = await freshDatabase({ blank: true })
  const { manifest } = await loadBackup({
    file,
    key: await readKey(),
    address: administrator,
    serviceRole: service.user,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  })
  expect(manifest.schema).toBeLessThan(migrations.length)
  await withClient(service, async (client) => {
    const { rows } = await client.query(
      `select d.handle, d.state, d.policy, r.sealing, encode(r.stored, 'hex') as stored
         from keytrustee.deposits d join keytrustee.revisions r on r.deposit = d.uuid order by 1`,
    )
    expect(rows).toEqual([
      {
        handle: 'box',
        state: 'active',
        policy: '{"a":"\\t"}',
        sealing: 'hsm',
        stored: '00010203fffe',
      },
      { handle: 'old', state: 'disabled', policy: null, sealing: 'pass-through', stored: '6869' },
    ])
    const versions = await client.query(
      'select max(version) as version from keytrustee.schema_migrations',
    )
    expect(versions.rows).toEqual([{ version: migrations.length }])
  })
})
