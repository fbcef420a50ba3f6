import { changeKey, type Changed, type KeyStore } from './key-store.js'
import { requireKey, versionPut } from './create-key.js'
import { wishDigest } from './repetition.js'
import { DomainError } from '@keyhsm/core'
import { randomBytes } from 'node:crypto'

export interface RollOrder {
  readonly name: string
  /** Absent: random. Wiped by the caller. */
  readonly material?: Buffer | undefined
  readonly by: string
}

/** Adds a version, which is the current one from then on. @throws ERR_NOT_FOUND; ERR_INTEGRITY for a wrong length. */
export function rollKey(store: KeyStore, { name, material, by }: RollOrder): Promise<Changed> {
  const wish = { kind: 'roll', by, digest: wishDigest([], material) } as const
  return changeKey(store, name, wish, (before) => {
    const missing = material ? `Key ${name} not found` : `Can't find Metadata for key ${name}`
    const { named, key } = requireKey(before, missing)
    if (material) requireBits(material, key.bits)
    const rolled = { ...key, versions: key.versions + 1 }
    return {
      next: { name, key: rolled, deleted: named.deleted },
      puts: () => {
        const bytes = material ?? randomBytes(key.bits / 8)
        try {
          return [versionPut({ name, key: rolled }, key.versions, bytes)]
        } finally {
          if (!material) bytes.fill(0)
        }
      },
    }
  })
}

/** @throws ERR_INTEGRITY in the words of the original. */
export function requireBits(material: Buffer, bits: number): void {
  const given = material.length * 8
  if (given !== bits)
    throw new DomainError('ERR_INTEGRITY', `Wrong key length. Required ${bits}, but got ${given}`)
}
