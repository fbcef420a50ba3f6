/** Opens zone keys and puts them into a keystore: all of those asked for, or none. */
import { DomainError, newUuid } from '@keyhsm/core'
import { findKeystoreFault, writeHadoopKeystore } from '../keystore/hadoop-keys.js'
import type { Protection } from '../keystore/write-jceks.js'
import type { Moving } from '../service/with-moves.js'
import type { LiveKey } from '../zone-keys/key-directory.js'
import type { KeyStore } from '../zone-keys/key-store.js'
import { type SourceKey, wipeSource } from './source-key.js'

export interface ExportOrder extends Protection {
  /** Only these; absent: all. */
  readonly names: readonly string[] | undefined
  readonly onProgress: (done: number, total: number) => void
}

export interface ExportedKeys {
  /** The keystore; wiped by the caller when it is written. */
  readonly bytes: Buffer
  readonly keys: number
  readonly versions: number
}

/** @throws ERR_NOT_FOUND for a name that is none; ERR_INVALID_INPUT for one that a Java keystore cannot hold; nothing is read then. */
export async function exportKeys(moving: Moving, o: ExportOrder): Promise<ExportedKeys> {
  const chosen = await chooseKeys(moving.store, o.names)
  const read: SourceKey[] = []
  try {
    for (const live of chosen) {
      read.push(await readAudited(moving, live))
      o.onProgress(read.length, chosen.length)
    }
    const versions = read.reduce((sum, key) => sum + key.versions.length, 0)
    return { bytes: writeHadoopKeystore(read, o), keys: read.length, versions }
  } finally {
    for (const key of read) wipeSource(key)
  }
}

async function chooseKeys(
  { directory }: KeyStore,
  names: readonly string[] | undefined,
): Promise<readonly LiveKey[]> {
  const all = (await directory.lookAll()).flatMap(({ name, key }) => (key ? [{ name, key }] : []))
  const missing = names?.find((name) => !all.some((live) => live.name === name))
  if (missing !== undefined) throw new DomainError('ERR_NOT_FOUND', `there is no key ${missing}`)
  const chosen = names ? all.filter(({ name }) => names.includes(name)) : all
  const faults = chosen.flatMap(({ name }) => {
    const rule = findKeystoreFault(name)
    return rule === undefined ? [] : [{ field: name, rule }]
  })
  if (faults.length > 0)
    throw new DomainError('ERR_INVALID_INPUT', 'a key has a name that the keystore cannot hold', {
      faults,
      hints: ['export the others by name: --key K --key L'],
    })
  return chosen
}

async function readAudited({ store, trail, caller }: Moving, live: LiveKey): Promise<SourceKey> {
  const { name, key } = live
  const access = {
    op: 'EXPORT_KEY',
    key: name,
    count: key.versions,
    caller,
    peerAddress: 'local',
    requestId: newUuid(),
  }
  await trail.intend(access)
  const source = await readKey(store, live)
  // Before the file is there: nobody has a keystore of which the audit does not know.
  await trail.record({ ...access, status: 'OK' })
  return source
}

async function readKey({ versions }: KeyStore, { name, key }: LiveKey): Promise<SourceKey> {
  const { uid, cipher, bits, description, attributes, createdAt } = key
  const materials: Buffer[] = []
  try {
    for (let index = 0; index < key.versions; index += 1)
      materials.push(
        await versions.use({ name, uid, index, cipher }, (version) =>
          version.expose((material) => Buffer.from(material)),
        ),
      )
  } catch (error) {
    for (const material of materials) material.fill(0)
    throw error
  }
  return { name, cipher, bits, description, attributes, createdAt, versions: materials }
}
