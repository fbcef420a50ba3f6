/**
 * What this appliance and user can do, found by doing it: which algorithms its release knows, under which names, is not
 * public. Each family is tried with a key of ours that is there, else with one made for it and removed again.
 */
import { createPublicKey, type KeyObject, publicEncrypt, randomBytes } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import {
  aesGcmTagBytes,
  type HsmKey,
  type KeyKind,
  oaepHashes,
  type RsaOaepAlgorithm,
  type WrapAlgorithm,
  type WrappingKind,
} from '@keyhsm/hsm'
import type { NaeLink } from './connection/nae-link.js'
import type { ValueKey } from './dialect/dialect.js'
import { NaeRefusal } from './failure.js'
import { toKeyName } from './keys/key-names.js'
import { kindRows } from './keys/kinds.js'
import { readPublicKey } from './keys/read-public-key.js'
import { keyDelRequest, keyGenRequest } from './messages/keys.js'
import type { NaeLog } from './options.js'
import { cmac, hmac } from './verbs/authenticate.js'
import { crypto, type Device } from './verbs/device.js'
import { sign } from './verbs/sign.js'
import { naeAlgorithms } from './verbs/wrap-key.js'

/** What was found. */
export interface Capabilities {
  readonly kinds: readonly KeyKind[]
  readonly wrapAlgorithms: Readonly<Partial<Record<WrappingKind, WrapAlgorithm>>>
}

interface Trial {
  readonly device: Device
  readonly link: NaeLink
  readonly keyName: string
  /** SubjectPublicKeyInfo of a pair. */
  readonly publicKey: Buffer | undefined
}

interface Family {
  /** Kind of the key it is tried with. */
  readonly kind: KeyKind
  readonly accepts: (key: HsmKey) => boolean
  readonly finds: (trial: Trial) => Promise<Partial<Capabilities> | undefined>
}

const families: readonly Family[] = [
  { kind: 'aes-256', accepts: (key) => key.kind === 'aes-256', finds: findAes },
  { kind: 'rsa-2048', accepts: (key) => key.kind.startsWith('rsa-'), finds: findRsa },
  { kind: 'cmac-aes-256', accepts: (key) => key.kind === 'cmac-aes-256', finds: findCmac },
  { kind: 'hmac-sha256', accepts: (key) => key.kind === 'hmac-sha256', finds: findHmac },
  {
    kind: 'ec-p256',
    accepts: (key) => key.kind === 'ec-p256' && key.use === 'sign',
    finds: findEc,
  },
]

/**
 * Tries every family once.
 * @throws ERR_HSM_UNAVAILABLE and ERR_HSM_LOGIN: then nothing was found out
 */
export async function findCapabilities(device: Device, log: NaeLog): Promise<Capabilities> {
  const keys = await device.directory.list()
  const found = await Promise.all(families.map((family) => tryFamily(device, family, keys, log)))
  const kinds = found.flatMap((each) => each?.kinds ?? [])
  const wrapAlgorithms = Object.assign({}, ...found.map((each) => each?.wrapAlgorithms ?? {}))
  return { kinds, wrapAlgorithms }
}

async function tryFamily(
  device: Device,
  family: Family,
  keys: readonly HsmKey[],
  log: NaeLog,
): Promise<Partial<Capabilities> | undefined> {
  const existing = keys.find(family.accepts)
  try {
    const result = existing
      ? await tryWith(device, family, existing)
      : await tryWithThrowAwayKey(device, family)
    if (!result) log.info({ kind: family.kind }, 'the HSM does not do this as we need it')
    return result
  } catch (error) {
    if (error instanceof DomainError && error.code !== 'ERR_HSM_REFUSED') throw error
    const reason = error instanceof Error ? error.message : 'unknown'
    log.info({ kind: family.kind, reason }, 'the HSM does not do this')
    return undefined
  }
}

const job = { kind: 'read-first' } as const

async function tryWith(
  device: Device,
  { finds }: Family,
  { id, publicKey }: HsmKey,
): Promise<Partial<Capabilities> | undefined> {
  const { result } = await device.cluster.run(job, (link) =>
    finds({ device, link, keyName: toKeyName(id), publicKey }),
  )
  return result
}

/** Its name is not one of {@link toKeyName}: whoever lists the keys meanwhile does not take it for one. */
async function tryWithThrowAwayKey(
  device: Device,
  { kind, finds }: Family,
): Promise<Partial<Capabilities> | undefined> {
  const { cluster, dialect, timers } = device
  const keyName = `keyhsm-probe-${randomBytes(8).toString('hex')}`
  const { algorithm, bits, curve } = kindRows[kind]
  const asked = keyGenRequest(dialect, {
    name: keyName,
    algorithm: dialect.values[algorithm],
    bits,
    curve: curve && dialect.values[curve],
    attributes: {},
  })
  try {
    const { result } = await cluster.run({ kind: 'write' }, async (link) => {
      await link.request(asked, timers.keyGenMs)
      const publicKey = await readPublicKey(link, { dialect, timers, name: keyName, kind })
      return await finds({ device, link, keyName, publicKey })
    })
    return result
  } finally {
    await cluster
      .run(job, (link) => link.request(keyDelRequest(dialect, keyName), timers.readMs))
      .catch(() => undefined)
  }
}

/** What we wrap in software with both hashes of OAEP alike, the appliance must open. */
async function findRsa(trial: Trial): Promise<Partial<Capabilities> | undefined> {
  const spki = { key: trial.publicKey ?? Buffer.alloc(0), format: 'der', type: 'spki' } as const
  const key = createPublicKey(spki)
  for (const algorithm of ['rsa-oaep-sha256', 'rsa-oaep-sha1'] as const) {
    if (!(await opensOaep(trial, key, algorithm))) continue
    const wrapAlgorithms = { 'rsa-2048': algorithm, 'rsa-3072': algorithm }
    return { kinds: ['rsa-2048', 'rsa-3072'], wrapAlgorithms }
  }
  return undefined
}

async function opensOaep(
  { device, link, keyName }: Trial,
  key: KeyObject,
  algorithm: RsaOaepAlgorithm,
): Promise<boolean> {
  const secret = randomBytes(32)
  const data = publicEncrypt({ key, oaepHash: oaepHashes[algorithm] }, secret)
  const named: ValueKey = naeAlgorithms[algorithm]
  return await holds(link, async () => {
    const call = { action: 'decrypt', keyName, algorithm: named, data } as const
    return (await crypto(device, link, call)).equals(secret)
  })
}

/** The associated data must matter: an appliance that passes over an element it does not know would not bind it. */
async function findAes({
  device,
  link,
  keyName,
}: Trial): Promise<Partial<Capabilities> | undefined> {
  const secret = randomBytes(32)
  const gcm = {
    keyName,
    algorithm: 'aesGcm',
    iv: randomBytes(12),
    aad: randomBytes(16),
    tagBytes: aesGcmTagBytes,
  } as const
  const opens = await holds(link, async () => {
    const data = await crypto(device, link, { ...gcm, action: 'encrypt', data: secret })
    if (data.length !== secret.length + aesGcmTagBytes) return false
    const back = await crypto(device, link, { ...gcm, action: 'decrypt', data })
    if (!back.equals(secret)) return false
    const other = { ...gcm, aad: randomBytes(16), action: 'decrypt', data } as const
    return !(await holds(link, async () => (await crypto(device, link, other)).equals(secret)))
  })
  return opens ? { kinds: ['aes-256'], wrapAlgorithms: { 'aes-256': 'aes-256-gcm' } } : undefined
}

async function findCmac({
  device,
  link,
  keyName,
}: Trial): Promise<Partial<Capabilities> | undefined> {
  const message = Buffer.from('keyhsm probe')
  const stable = await holds(link, async () => {
    const first = await cmac(device, link, keyName, message)
    const again = await cmac(device, link, keyName, message)
    return first.equals(again)
  })
  return stable ? { kinds: ['cmac-aes-256'] } : undefined
}

async function findHmac({
  device,
  link,
  keyName,
}: Trial): Promise<Partial<Capabilities> | undefined> {
  const stable = await holds(link, async () => {
    const first = await hmac(device, link, keyName, Buffer.from('keyhsm probe'))
    const again = await hmac(device, link, keyName, Buffer.from('keyhsm probe'))
    const other = await hmac(device, link, keyName, Buffer.from('another'))
    return first.equals(again) && !first.equals(other)
  })
  return stable ? { kinds: ['hmac-sha256'] } : undefined
}

/** EC keys only sign: the appliance has no ECDH that gives the shared secret itself. */
async function findEc({ device, link, keyName, publicKey }: Trial): Promise<Partial<Capabilities>> {
  await sign(device, link, { keyName, publicKey, message: Buffer.from('keyhsm probe') })
  return { kinds: ['ec-p256'] }
}

/** False when the appliance refuses. @throws LinkError when a refusal was fatal, because the connection is gone */
async function holds(link: NaeLink, check: () => Promise<boolean>): Promise<boolean> {
  try {
    return await check()
  } catch (error) {
    if (error instanceof NaeRefusal && link.usable) return false
    throw error
  }
}
