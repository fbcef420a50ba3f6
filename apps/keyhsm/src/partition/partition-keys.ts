/**
 * The keys that make a partition ours: one that only authenticates (its MAC of a fixed text is K_auth, the secret that
 * every Key HSM of the partition shares and nobody else can compute), a canary that shows which partition is connected,
 * and one that signs audit checkpoints. `keyhsm setup` makes them once; starting never does.
 *
 * The authentication key is known by its use, which no deposit's key has; the other two by ids under K_auth.
 */
import { createHash, createHmac } from 'node:crypto'
import type { Fingerprint, HsmKeyId, SecretBytes } from '@keyhsm/core'
import { DomainError } from '@keyhsm/core'
import type { Hsm, HsmKey } from '@keyhsm/hsm'
import { KeyIds, type KeyPurpose } from '../keys/key-ids.js'

export interface PartitionKeys {
  readonly auth: HsmKey
  /** The value of the authentication key for {@link authText}; wiped when the partition closes. */
  readonly kAuth: SecretBytes
  readonly keyIds: KeyIds
  /** Logical id of the HSM key domain: 32 hex digits, equal on every node of the partition. */
  readonly domain: string
  readonly canary: HsmKey
  /** What a Trustee Server records when it joins: changes when another partition is connected. */
  readonly canaryFingerprint: Fingerprint
  /** Undefined where the device has no EC keys: audit checkpoints are then unsigned. */
  readonly audit: HsmKey | undefined
}

/** An authentication key and what follows from it. */
export interface Domain {
  readonly auth: HsmKey
  readonly kAuth: SecretBytes
  readonly keyIds: KeyIds
  readonly domain: string
}

/** The message whose MAC is K_auth. Never changes: every deposit depends on it. */
export const authText = 'keyhsm k-auth v1'

/** Authentication keys of a listing, lowest id first. */
export function findAuthKeys(keys: readonly HsmKey[]): HsmKey[] {
  return keys
    .filter((key) => key.use === 'authenticate' && key.label.startsWith('auth-'))
    .sort(byId)
}

/** The partition's own key of `purpose`, lowest id first; the id proves that this domain made it. */
export function findOwnKeys(
  keys: readonly HsmKey[],
  keyIds: KeyIds,
  purpose: KeyPurpose & ('canary' | 'audit'),
): HsmKey[] {
  const use = purpose === 'audit' ? 'sign' : 'wrap'
  return keys.filter((key) => key.use === use && keyIds.belongs(key.id, { purpose })).sort(byId)
}

/**
 * Computes K_auth in the device for the key of a listing whose domain is `expected`, or for the first one when none is
 * expected.
 * @returns undefined when there is no such key.
 */
export async function connectDomain(
  hsm: Hsm,
  keys: readonly HsmKey[],
  expected?: string,
): Promise<Domain | undefined> {
  for (const auth of findAuthKeys(keys)) {
    const kAuth = await hsm.authenticate(auth.id, Buffer.from(authText))
    const domain = toDomain(kAuth)
    if (expected === undefined || domain === expected) {
      return { auth, kAuth, keyIds: KeyIds.derive(kAuth), domain }
    }
    kAuth.wipe()
  }
  return undefined
}

/**
 * The partition's keys, or which is missing. `expected` is the domain recorded in the settings.
 * @throws every error of `listKeys` and `authenticate`.
 */
export async function findPartitionKeys(
  hsm: Hsm,
  keys: readonly HsmKey[],
  expected?: string,
): Promise<PartitionKeys | { readonly missing: 'auth' | 'canary' }> {
  const domain = await connectDomain(hsm, keys, expected)
  if (!domain) return { missing: 'auth' }
  const [canary] = findOwnKeys(keys, domain.keyIds, 'canary')
  const [audit] = findOwnKeys(keys, domain.keyIds, 'audit')
  if (!canary) {
    domain.kAuth.wipe()
    return { missing: 'canary' }
  }
  const canaryFingerprint = toCanaryFingerprint(canary, domain.kAuth)
  return { ...domain, canary, canaryFingerprint, audit }
}

/** The error of an empty partition or another than the recorded one; names the token, tells what to do. */
export function wrongPartition(hsm: Hsm, expected: string | undefined): DomainError {
  const what =
    expected === undefined ? 'holds no keys of Key HSM' : 'is not the one that was set up'
  return new DomainError('ERR_WRONG_PARTITION', `wrong partition: ${hsm.description} ${what}`, {
    hints: [
      'check that the token and the slot are the right ones',
      'run `keyhsm setup` to prepare a new partition (--force to leave another one behind)',
    ],
  })
}

function toDomain(kAuth: SecretBytes): string {
  return kAuth.expose((bytes) =>
    createHmac('sha256', bytes).update('keyhsm domain v1').digest('hex').slice(0, 32),
  )
}

/** SHA-256 of the public key, or a MAC under K_auth for a secret key, of which nothing else may be shown. */
function toCanaryFingerprint(canary: HsmKey, kAuth: SecretBytes): Fingerprint {
  if (canary.publicKey)
    return createHash('sha256').update(canary.publicKey).digest('hex') as Fingerprint
  return kAuth.expose((bytes) =>
    createHmac('sha256', bytes).update(`keyhsm canary v1\0${canary.id}`).digest('hex'),
  ) as Fingerprint
}

function byId(a: { readonly id: HsmKeyId }, b: { readonly id: HsmKeyId }): number {
  return a.id < b.id ? -1 : Number(a.id > b.id)
}
