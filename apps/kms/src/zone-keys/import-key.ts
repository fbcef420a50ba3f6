/**
 * Brings a key of another KMS in, with every version, its attributes and the time it was made. The versions go first and each is read back
 * through the HSM; the description comes last and makes the key visible. So an interrupted import is gone on with, and a finished one is
 * found to be finished.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { DomainError, type ErrorCode, type Handle, hasCode } from '@keyhsm/core'
import { wipeSource, type SourceKey } from '../migration/source-key.js'
import { versionPut } from './create-key.js'
import { toBase32, versionHandle } from './handles.js'
import { changeKey, type KeyStore } from './key-store.js'
import { wishDigest } from './repetition.js'
import { parseVersion, requireWritable, type ZoneKey } from './zone-key.js'

/** `present`: all of it was there. `extended`: it was there, and later versions were added. */
export type ImportState = 'imported' | 'extended' | 'present'

export interface ImportOrder {
  readonly by: string
  /** Says what would be done. */
  readonly dryRun: boolean
}

/** A batch of the Trustee Server holds a hundred. */
const batchSize = 50
/** So often a key of one name can have been imported, deleted and purged. */
const maxAttempts = 100

/**
 * @throws ERR_CONFLICT when the name is in use by other material or another cipher: nothing is changed then;
 * ERR_INTEGRITY when what was written does not come back.
 */
export async function importKey(
  store: KeyStore,
  source: SourceKey,
  order: ImportOrder,
): Promise<ImportState> {
  try {
    const found = await store.directory.look(source.name)
    if (found?.named.key) return await extendKey(store, source, { ...order, key: found.named.key })
    if (!order.dryRun) await writeNew(store, source, order.by)
    return 'imported'
  } finally {
    wipeSource(source)
  }
}

async function extendKey(
  store: KeyStore,
  source: SourceKey,
  { key, by, dryRun }: ImportOrder & { readonly key: ZoneKey },
): Promise<ImportState> {
  const { name, versions } = source
  if (key.cipher !== source.cipher || key.bits !== source.bits)
    throw conflict(`${name} exists with another cipher or length`)
  for (let index = 0; index < Math.min(key.versions, versions.length); index += 1)
    await requireSame(store, { source, uid: key.uid, index })
  if (versions.length <= key.versions) return 'present'
  if (dryRun) return 'extended'
  await writeVersions(store, source, { key, from: key.versions })
  await describe(store, source, { by, key: { ...key, versions: versions.length }, before: key })
  return 'extended'
}

async function writeNew(store: KeyStore, source: SourceKey, by: string): Promise<void> {
  const { cipher, bits, description, attributes, createdAt, versions } = source
  const found = await store.directory.look(source.name)
  const taken = new Set(found?.named.deleted.map(({ key }) => key.uid))
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const uid = importUid(source, attempt)
    if (taken.has(uid)) continue
    const rest = { cipher, bits, description, attributes: { ...attributes }, createdAt }
    const key: ZoneKey = { uid, ...rest, versions: versions.length }
    requireWritable(key)
    try {
      await writeVersions(store, source, { key, from: 0 })
    } catch (error) {
      // Removed deposits of an import that was purged stand there, or those of another key with this description.
      if (isTaken(error)) continue
      throw error
    }
    return describe(store, source, { by, key, before: undefined })
  }
  throw conflict(`${source.name} was imported and purged too often`)
}

/** The same for every try, so that an interrupted import finds its own deposits. Says nothing about the material. */
function importUid({ name, createdAt, cipher, bits }: SourceKey, attempt: number): string {
  const text = JSON.stringify(['import', name, createdAt, cipher, bits, attempt])
  return toBase32(createHash('sha256').update(text).digest().subarray(0, 16))
}

/** Puts the versions from `from` on that are not there, and reads back each. */
async function writeVersions(
  store: KeyStore,
  source: SourceKey,
  { key, from }: { readonly key: ZoneKey; readonly from: number },
): Promise<void> {
  const { name, versions } = source
  const entries = await store.vault.list(`kms.v.${key.uid}.`)
  const present = new Set<string>(entries.map(({ handle }) => handle))
  const missing: number[] = []
  for (let index = from; index < versions.length; index += 1) {
    if (present.has(versionHandle(key.uid, index)))
      await requireSame(store, { source, uid: key.uid, index })
    else missing.push(index)
  }
  for (let at = 0; at < missing.length; at += batchSize) {
    const some = missing.slice(at, at + batchSize)
    const put = (index: number) => versionPut({ name, key }, index, materialOf(source, index))
    await store.vault.write(some.map(put))
    for (const index of some) await requireSame(store, { source, uid: key.uid, index })
  }
}

/** @throws ERR_CONFLICT unless the deposit holds this very material. */
async function requireSame(
  store: KeyStore,
  {
    source,
    uid,
    index,
  }: { readonly source: SourceKey; readonly uid: string; readonly index: number },
): Promise<void> {
  const { name, cipher } = source
  const handle: Handle = versionHandle(uid, index)
  const { content } = await store.vault.read(handle)
  const material = parseVersion(content, { name, uid, index, cipher })
  const wanted = materialOf(source, index)
  const same = material.length === wanted.length && timingSafeEqual(material, wanted)
  material.fill(0)
  if (!same) throw conflict(`${name} exists with another key in version ${index}`)
}

async function describe(
  store: KeyStore,
  { name }: SourceKey,
  o: { readonly by: string; readonly key: ZoneKey; readonly before: ZoneKey | undefined },
): Promise<void> {
  const digest = wishDigest([o.key.uid, o.key.versions])
  await changeKey(store, name, { kind: 'import', by: o.by, digest }, (before) => {
    if (!isSameKey(before?.key, o.before))
      throw conflict(`${name} was changed by somebody else meanwhile`)
    return { next: { name, key: o.key, deleted: before?.deleted ?? [] }, puts: () => [] }
  })
}

function isSameKey(now: ZoneKey | undefined, before: ZoneKey | undefined): boolean {
  return now?.uid === before?.uid && now?.versions === before?.versions
}

function materialOf({ name, versions }: SourceKey, index: number): Buffer {
  const material = versions[index]
  if (!material) throw new DomainError('ERR_INTEGRITY', `${name} has no version ${index}`)
  return material
}

function conflict(detail: string): DomainError {
  return new DomainError('ERR_CONFLICT', detail)
}

const takenCodes: readonly ErrorCode[] = ['ERR_ALREADY_EXISTS', 'ERR_CONFLICT', 'ERR_DISABLED']

function isTaken(error: unknown): boolean {
  return takenCodes.some((code) => hasCode(error, code))
}
