/** The three private keys of a client. They are made here and never leave the machine. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { findRecipient, makeAgeIdentity } from '../sealing/age-identity.js'
import { createPrivateFile, makePrivateFolder, readPrivateFile } from './private-files.js'

export interface ClientKeys {
  /** EC P-256, for TLS; PKCS#8 PEM. */
  readonly tlsKey: string
  /** Ed25519, signs what this client writes. */
  readonly identityKey: KeyObject
  /** age identity, post-quantum hybrid; opens what was sealed for this client. */
  readonly ageIdentity: string
  /** Its public half. Computed once (some 50 ms) when asked for: a retrieval does without. @throws ERR_SETTINGS */
  readonly recipient: () => Promise<string>
}

/** Bech32 of 32 bytes, upper case; its checksum is checked when it is used. @see https://age-encryption.org/v1 */
const identityShape = /^AGE-SECRET-KEY-(PQ-)?1[02-9AC-HJ-NP-Z]{58}$/

const keyFiles = {
  tls: { name: 'client.key', make: makeTlsKey },
  identity: { name: 'identity.key', make: makeIdentityKey },
  age: { name: 'age.key', make: makeAgeKey },
} as const

/** Makes the keys that are missing in `folder` and returns all; existing ones are kept. */
export async function makeClientKeys(folder: string): Promise<ClientKeys> {
  await makePrivateFolder(folder)
  for (const { name, make } of Object.values(keyFiles)) {
    const path = join(folder, name)
    if ((await readPrivateFile(path)) === undefined) await createPrivateFile(path, await make())
  }
  return await readClientKeys(folder)
}

/** @throws ERR_SETTINGS when a key is missing, open to others, or of another kind. */
export async function readClientKeys(folder: string): Promise<ClientKeys> {
  const ageIdentity = (await readKeyFile(folder, keyFiles.age.name)).trim()
  const tlsKey = await readKeyFile(folder, keyFiles.tls.name)
  asKey(tlsKey, 'ec', keyFiles.tls.name)
  if (!identityShape.test(ageIdentity)) throw unusable(keyFiles.age.name)
  const identityText = await readKeyFile(folder, keyFiles.identity.name)
  let recipient: Promise<string> | undefined
  return {
    tlsKey,
    identityKey: asKey(identityText, 'ed25519', keyFiles.identity.name),
    ageIdentity,
    recipient: () => (recipient ??= readRecipient(ageIdentity)),
  }
}

async function readRecipient(ageIdentity: string): Promise<string> {
  const recipient = await findRecipient(ageIdentity)
  if (recipient === undefined) throw unusable(keyFiles.age.name)
  return recipient
}

async function readKeyFile(folder: string, name: string): Promise<string> {
  const text = await readPrivateFile(join(folder, name))
  if (text !== undefined) return text
  throw new DomainError('ERR_SETTINGS', `the client's ${name} is missing`, {
    hints: ['restore it from a copy: content sealed for a lost key cannot be opened any more'],
  })
}

function asKey(text: string, kind: 'ec' | 'ed25519', name: string): KeyObject {
  try {
    const key = createPrivateKey(text)
    if (key.asymmetricKeyType === kind) return key
  } catch (error) {
    throw unusable(name, error)
  }
  throw unusable(name)
}

function unusable(name: string, cause?: unknown): DomainError {
  return new DomainError('ERR_SETTINGS', `the client's ${name} does not hold a usable key`, {
    cause,
  })
}

function makeTlsKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function makeIdentityKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

async function makeAgeKey(): Promise<string> {
  return `${await makeAgeIdentity()}\n`
}
