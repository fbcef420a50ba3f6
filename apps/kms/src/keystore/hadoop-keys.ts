/**
 * Zone keys in Hadoop's Java keystore: one entry a key with its description, one entry a version with its material.
 * @see docs/formats/hadoop-keystore.md#what-hadoop-puts-in
 */
import { DomainError } from '@keyhsm/core'
import { parseVersionName, versionName } from '../api/names.js'
import {
  type KeySource,
  parseDescription,
  type SourceDescription,
  type SourceKey,
  toSourceKey,
} from '../migration/source-key.js'
import { broken } from './broken.js'
import { requirePassword } from './password-cipher.js'
import { openEntry, type ProtectedEntry, readJceks } from './read-jceks.js'
import { writeKeyMetadata, writeSecretKey } from './write-java-objects.js'
import { type Protection, writeJceks } from './write-jceks.js'

const metadataClass = 'org.apache.hadoop.crypto.key.JavaKeyStoreProvider$KeyMetadata'
const secretKeyClass = 'javax.crypto.spec.SecretKeySpec'
const ownWriters = new Set([metadataClass])

/** @throws ERR_NOT_AUTHENTICATED, ERR_INTEGRITY, as {@link readJceks}; ERR_INVALID_INPUT for a password that Java could not have taken. */
export function openHadoopKeystore(bytes: Buffer, password: string): KeySource {
  requirePassword(password, '--password-file')
  const entries = new Map(readJceks(bytes, password).map((entry) => [entry.alias, entry]))
  return {
    // The provider itself tells descriptions from versions by the `@` in their aliases.
    names: async () => [...entries.keys()].filter((alias) => !alias.includes('@')),
    read: async (name) => readKey(entries, name, password),
    close: async () => undefined,
  }
}

function readKey(
  entries: ReadonlyMap<string, ProtectedEntry>,
  name: string,
  password: string,
): SourceKey {
  const described = entries.get(name)
  if (!described) throw new DomainError('ERR_NOT_FOUND', `the keystore holds no key ${name}`)
  const description = readMetadata(name, described, password)
  const versions: Buffer[] = []
  try {
    for (let index = 0; index < description.count; index += 1) {
      const entry = entries.get(versionName(name, index))
      if (!entry) throw broken(`${versionName(name, index)} is not there`)
      versions.push(readMaterial(entry, password))
    }
    return toSourceKey(description, versions)
  } catch (error) {
    for (const material of versions) material.fill(0)
    throw error
  }
}

function readMetadata(name: string, entry: ProtectedEntry, password: string): SourceDescription {
  const { className, written } = openEntry(entry, password, ownWriters)
  if (className !== metadataClass || written.length < 4) throw broken(`${name} has no description`)
  if (written.readInt32BE() !== written.length - 4)
    throw broken(`the description of ${name} is cut`)
  return parseDescription(name, parseJson(name, written.subarray(4)), 'bitLength')
}

function parseJson(name: string, bytes: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Told below.
  }
  throw broken(`the description of ${name} is not JSON`)
}

function readMaterial(entry: ProtectedEntry, password: string): Buffer {
  const { className, fields } = openEntry(entry, password, ownWriters)
  const material = fields.get('key')
  if (className !== secretKeyClass || !Buffer.isBuffer(material))
    throw broken(`${entry.alias} holds no secret key`)
  return material
}

/**
 * Why Hadoop's provider could not hold a key of this name; undefined when it can. It folds the case of names, and takes everything with an
 * `@` for a version.
 */
export function findKeystoreFault(name: string): string | undefined {
  if (name !== name.toLowerCase()) return 'a Java keystore has no upper case in names'
  if (name.includes('@')) return 'a Java keystore has no @ in names'
  return parseVersionName(`${name}@0`) ? undefined : 'a Java keystore cannot hold this name'
}

/** @param keys with names that {@link findKeystoreFault} has no objection to. */
export function writeHadoopKeystore(keys: readonly SourceKey[], o: Protection): Buffer {
  const entries = keys.flatMap((key) => {
    const storedAt = new Date(key.createdAt)
    const versions = key.versions.map((material, index) => ({
      alias: versionName(key.name, index),
      storedAt,
      serialised: writeSecretKey(key.cipher, material),
    }))
    return [{ alias: key.name, storedAt, serialised: writeKeyMetadata(describe(key)) }, ...versions]
  })
  return writeJceks(entries, o)
}

/** As the provider writes it: what is absent is left out. */
function describe({
  cipher,
  bits,
  createdAt,
  description,
  attributes,
  versions,
}: SourceKey): Buffer {
  return Buffer.from(
    JSON.stringify({
      cipher,
      bitLength: bits,
      created: createdAt,
      ...(description === null ? {} : { description }),
      versions: versions.length,
      ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
    }),
  )
}
