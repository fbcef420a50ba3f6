/** The objects of one id: when they are a key, and when they are two. */
import { DomainError } from '@keyhsm/core'
import type { WholeKey } from './jobs/describe-key.js'
import type { KeyHandles } from './jobs/find-objects.js'

/** How many objects there are with an id. */
export function countObjects(handles: KeyHandles): number {
  return handles.privateKeys.length + handles.publicKeys.length + handles.secretKeys.length
}

/** True when two keys share an id. */
export function isConflict({ privateKeys, publicKeys, secretKeys }: KeyHandles): boolean {
  if (privateKeys.length > 1 || publicKeys.length > 1 || secretKeys.length > 1) return true
  return secretKeys.length > 0 && privateKeys.length + publicKeys.length > 0
}

/** @throws ERR_CONFLICT */
export function ensureNoConflict(handles: KeyHandles): void {
  if (!isConflict(handles)) return
  throw new DomainError('ERR_CONFLICT', 'two HSM keys have this id', {
    hints: ['remove one of them with the tools of the HSM'],
  })
}

/** The key when it is whole: a secret key, or exactly one object of each half. */
export function toWhole({ privateKeys, publicKeys, secretKeys }: KeyHandles): WholeKey | undefined {
  const [secretKey] = secretKeys
  if (secretKey) return secretKeys.length === 1 ? { secretKey } : undefined
  const [privateKey] = privateKeys
  const [publicKey] = publicKeys
  return privateKey && publicKey ? { privateKey, publicKey } : undefined
}

/** The reverse of {@link toWhole}. */
export function toHandles(key: WholeKey): KeyHandles {
  if ('secretKey' in key) {
    return { privateKeys: [], publicKeys: [], secretKeys: [key.secretKey] }
  }
  return { privateKeys: [key.privateKey], publicKeys: [key.publicKey], secretKeys: [] }
}

/** True when both lists name the same objects. */
export function sameHandles(one: KeyHandles, other: KeyHandles): boolean {
  return (['privateKeys', 'publicKeys', 'secretKeys'] as const).every(
    (list) =>
      one[list].length === other[list].length &&
      one[list].every((handle, at) => other[list][at]?.equals(handle)),
  )
}
