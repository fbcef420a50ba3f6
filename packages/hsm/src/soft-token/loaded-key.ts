import { createPrivateKey, createSecretKey, type KeyObject } from 'node:crypto'
import { secretKeyFingerprint, spkiFingerprint } from '../fingerprints.js'
import type { HsmKey, KeySpec } from '../hsm.js'
import { parseWrapPublicKey, type WrapPublicKey } from '../wrap-public-key.js'
import type { KeyMaterial } from './key-file.js'

/** A key of the token, ready for use in this process. */
export interface LoadedKey {
  readonly key: HsmKey
  /** The private or secret half. */
  readonly secret: KeyObject
  /** The public half of a pair. */
  readonly publicKey: WrapPublicKey | undefined
}

/** Parses the material and wipes it. */
export function loadKey(spec: KeySpec, material: KeyMaterial): LoadedKey {
  const { publicKey } = material
  const { id, label, kind, use } = spec
  try {
    const fingerprint = publicKey ? spkiFingerprint(publicKey) : secretKeyFingerprint(id)
    return {
      key: { id, label, kind, use, publicKey, fingerprint },
      secret: material.secret.expose((bytes) =>
        publicKey
          ? createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' })
          : createSecretKey(bytes),
      ),
      publicKey: publicKey && parseWrapPublicKey(id, publicKey),
    }
  } finally {
    material.secret.wipe()
  }
}
