import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { SecretBytes } from '@keyhsm/core'
import type { KeyKind } from '../kinds.js'
import type { KeyMaterial } from './key-file.js'

const generate = promisify(generateKeyPair)

const makers: Readonly<Record<KeyKind, () => Promise<KeyMaterial>>> = {
  'ec-p256': async () => pair(await generate('ec', { namedCurve: 'P-256' })),
  'rsa-2048': async () => pair(await generate('rsa', { modulusLength: 2048 })),
  'rsa-3072': async () => pair(await generate('rsa', { modulusLength: 3072 })),
  'aes-256': secret,
  'hmac-sha256': secret,
  'cmac-aes-256': secret,
}

/** A fresh key of this kind, made off the event loop. The caller wipes the secret half. */
export function makeKeyMaterial(kind: KeyKind): Promise<KeyMaterial> {
  return makers[kind]()
}

function pair(made: { privateKey: KeyObject; publicKey: KeyObject }): KeyMaterial {
  return {
    secret: SecretBytes.own(made.privateKey.export({ type: 'pkcs8', format: 'der' })),
    publicKey: made.publicKey.export({ type: 'spki', format: 'der' }),
  }
}

function secret(): Promise<KeyMaterial> {
  return Promise.resolve({ secret: SecretBytes.random(32), publicKey: undefined })
}
