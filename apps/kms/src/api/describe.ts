/** The JSON objects of replies. @see docs/protocols/hadoop-kms.md#json-objects */
import type { LiveKey } from '../zone-keys/key-directory.js'
import type { Eek } from '../zone-keys/eek.js'
import { formatBytes } from './fields.js'
import { versionName } from './names.js'

/** Not found is an empty object: clients turn that into null. */
export function describeKey(found: LiveKey | undefined): object {
  if (!found) return {}
  const { name, key } = found
  return {
    name,
    cipher: key.cipher,
    length: key.bits,
    description: key.description,
    attributes: key.attributes,
    created: key.createdAt,
    versions: key.versions,
  }
}

/** @param material null: the caller may not see it. */
export function describeVersion(name: string, index: number, material: Buffer | null): object {
  return {
    name,
    versionName: versionName(name, index),
    material: material && formatBytes(material),
  }
}

/** @param keyName null for an entry of a batch that came back as it was. */
export function describeEek(
  keyName: string | null,
  version: string,
  { iv, material }: Eek,
): object {
  return {
    versionName: version,
    iv: formatBytes(iv),
    encryptedKeyVersion: { name: keyName, versionName: 'EEK', material: formatBytes(material) },
  }
}
