/**
 * Ids of HSM keys that prove by themselves what a key is for and whose it is, so that Key HSM needs no table of keys:
 * 10 random bytes, then 6 bytes of a MAC over purpose, realm and organisation under a key that only this HSM key domain
 * can compute. Whoever can merely make objects in the partition cannot make one that we take for a realm's key.
 *
 * @see docs/decisions/0002-hsm-key-ids.md
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import type { HsmKeyId, Realm, SecretBytes, Uuid } from '@keyhsm/core'

/** What a key is for. The first three wrap content keys of a realm; the others belong to the partition. */
export type KeyPurpose = 'deposit' | 'organisation' | 'service' | 'canary' | 'audit'

/** What an id proves. */
export interface KeyOwner {
  readonly purpose: KeyPurpose
  /** Absent for the partition's own keys. */
  readonly realm?: Realm
  /** Only for purpose `organisation`. */
  readonly organisation?: Uuid
}

const randomPartBytes = 10
const tagBytes = 6

/** Issues and checks ids of one HSM key domain. */
export class KeyIds {
  readonly #key: Buffer

  private constructor(key: Buffer) {
    this.#key = key
  }

  /** The same for every Key HSM on the partition, because all compute the same `authKey` value in the device. */
  static derive(kAuth: SecretBytes): KeyIds {
    return kAuth.expose(
      (bytes) => new KeyIds(Buffer.from(hkdfSync('sha256', bytes, '', 'keyhsm id v1', 32))),
    )
  }

  /** A fresh id. 80 random bits: no two keys of a partition meet. */
  issue(owner: KeyOwner): HsmKeyId {
    const random = randomBytes(randomPartBytes)
    return Buffer.concat([random, this.#tag(owner, random)]).toString('hex') as HsmKeyId
  }

  /** Whether `id` was issued for exactly this owner. Constant time in the tag. */
  belongs(id: HsmKeyId, owner: KeyOwner): boolean {
    const bytes = Buffer.from(id, 'hex')
    if (bytes.length !== randomPartBytes + tagBytes) return false
    const tag = this.#tag(owner, bytes.subarray(0, randomPartBytes))
    return timingSafeEqual(tag, bytes.subarray(randomPartBytes))
  }

  /** Overwrites the key; every later call works on zeros, so call it last. */
  wipe(): void {
    this.#key.fill(0)
  }

  #tag(owner: KeyOwner, random: Buffer): Buffer {
    const { purpose, realm = '', organisation = '' } = owner
    return createHmac('sha256', this.#key)
      .update(`${purpose}\0${realm}\0${organisation}`, 'latin1')
      .update(random)
      .digest()
      .subarray(0, tagBytes)
  }
}
