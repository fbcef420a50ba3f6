/**
 * What this token can do, found out with session objects at the first start: the mechanism list says what is there, a
 * round trip says which way of wrapping works. A device that forbids session objects is believed by its profile.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import {
  contentKeyBytes,
  type KeyKind,
  type RsaOaepAlgorithm,
  type WrapAlgorithm,
  type WrappingKind,
  wrappingKinds,
} from '@keyhsm/hsm'
import { CKA, CKK, CKM, CKO } from '../../constants.js'
import type { Attribute, CryptokiHandle } from '../../cryptoki.js'
import type { Findings } from '../../messages.js'
import type { AesWrap } from '../../profile.js'
import { CryptokiError } from '../../return-codes.js'
import { ask } from '../ask.js'
import { unwrapAes, wrapAes } from './aes-wrap.js'
import type { JobSession } from './job-session.js'
import { encryptOaep } from './rsa-oaep.js'

const neededMechanisms: Readonly<Record<Exclude<KeyKind, 'rsa-2048' | 'rsa-3072'>, number[]>> = {
  'ec-p256': [CKM.ecKeyPairGen, CKM.ecdsa],
  'aes-256': [CKM.aesKeyGen],
  'hmac-sha256': [CKM.genericSecretKeyGen, CKM.sha256Hmac],
  'cmac-aes-256': [CKM.aesKeyGen, CKM.aesCmac],
}

const ecies: WrapAlgorithm = 'ecies-p256-hkdf-sha256-aes-256-gcm'

/** Probes the token once. */
export function probeToken(job: JobSession): Findings {
  const mechanisms = ask(job.cryptoki, 'C_GetMechanismList', job.slot)
  const listed = (wanted: readonly number[]) => wanted.every((one) => mechanisms.includes(one))
  const rsaKeyPairGen = job.profile.rsaKeyPairGen.find((one) => mechanisms.includes(one))
  const oaep = listed([CKM.rsaPkcsOaep]) ? chooseOaep(job) : undefined
  const aes = listed(neededMechanisms['aes-256']) ? chooseAes(job, mechanisms) : undefined
  const rsa = rsaKeyPairGen === undefined ? undefined : oaep
  const signsByEc = listed(neededMechanisms['ec-p256'])
  const derives = job.profile.rawEcdh && listed([CKM.ecdh1Derive])
  const wraps: Readonly<Record<WrappingKind, WrapAlgorithm | undefined>> = {
    'ec-p256': signsByEc && derives ? ecies : undefined,
    'rsa-2048': rsa,
    'rsa-3072': rsa,
    'aes-256': aes?.algorithm,
  }
  const macs = (['hmac-sha256', 'cmac-aes-256'] as const).filter((kind) =>
    listed(neededMechanisms[kind]),
  )
  // An EC key that cannot wrap still signs audit checkpoints.
  const offered = (kind: WrappingKind) =>
    wraps[kind] !== undefined || (kind === 'ec-p256' && signsByEc)
  return {
    kinds: [...wrappingKinds.filter(offered), ...macs],
    wrapAlgorithms: withoutGaps(wraps),
    rsaKeyPairGen: rsaKeyPairGen ?? CKM.rsaPkcsKeyPairGen,
    aes,
  }
}

function withoutGaps(
  wraps: Readonly<Record<WrappingKind, WrapAlgorithm | undefined>>,
): Findings['wrapAlgorithms'] {
  return Object.fromEntries(Object.entries(wraps).filter(([, algorithm]) => algorithm))
}

/** The first way of wrapping under AES that gives its own bytes back in our stored form. */
function chooseAes(job: JobSession, mechanisms: readonly number[]): AesWrap | undefined {
  const candidates = job.profile.aes.filter((how) => mechanisms.includes(how.mechanism))
  return candidates.find((how) => tryAes(job, how) !== 'fails')
}

const storedBytes = { 'aes-256-gcm': 60, 'aes-256-kwp': 40 } as const

function tryAes(job: JobSession, how: AesWrap): 'works' | 'fails' | 'unknown' {
  const key = makeSessionKey(job, how)
  if (!key) return 'unknown'
  try {
    const secret = randomBytes(contentKeyBytes)
    const associatedData = Buffer.from('keyhsm probe')
    const wrapped = wrapAes(job, { how, key, input: secret, associatedData })
    // A device in FIPS mode may append an IV of its own: then the length differs and the form is not ours.
    if (wrapped.length !== storedBytes[how.algorithm]) return 'fails'
    const opened = unwrapAes(job, { how, key, input: wrapped, associatedData })
    return opened.equals(secret) ? 'works' : 'fails'
  } catch (error) {
    if (error instanceof CryptokiError || error instanceof DomainError) return 'fails'
    throw error
  } finally {
    ask(job.cryptoki, 'C_DestroyObject', job.session, key)
  }
}

function makeSessionKey(job: JobSession, how: AesWrap): CryptokiHandle | undefined {
  const wrapsKeys = how.algorithm === 'aes-256-kwp' && how.through === 'wrap-key'
  const template: Attribute[] = [
    { type: CKA.token, value: false },
    { type: CKA.valueLen, value: 32 },
    { type: CKA.sensitive, value: true },
    { type: CKA.extractable, value: false },
    { type: CKA.encrypt, value: !wrapsKeys },
    { type: CKA.decrypt, value: !wrapsKeys },
    { type: CKA.wrap, value: wrapsKeys },
    { type: CKA.unwrap, value: wrapsKeys },
  ]
  return unlessRefused(() =>
    ask(job.cryptoki, 'C_GenerateKey', job.session, { mechanism: CKM.aesKeyGen }, template),
  )
}

/** The first OAEP hash that an imported public key encrypts with. One candidate needs no trial. */
function chooseOaep(job: JobSession): RsaOaepAlgorithm | undefined {
  const { oaep } = job.profile
  if (oaep.length === 1) return oaep[0]
  const key = importPublicKey(job)
  if (!key) return oaep[0]
  try {
    const input = randomBytes(contentKeyBytes)
    return oaep.find((algorithm) =>
      unlessRefused(() => encryptOaep(job, { algorithm, key, input })),
    )
  } finally {
    ask(job.cryptoki, 'C_DestroyObject', job.session, key)
  }
}

function importPublicKey(job: JobSession): CryptokiHandle | undefined {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
  const template: Attribute[] = [
    { type: CKA.class, value: CKO.publicKey },
    { type: CKA.keyType, value: CKK.rsa },
    { type: CKA.token, value: false },
    { type: CKA.encrypt, value: true },
    { type: CKA.modulus, value: Buffer.from(n, 'base64url') },
    { type: CKA.publicExponent, value: Buffer.from(e, 'base64url') },
  ]
  return unlessRefused(() => ask(job.cryptoki, 'C_CreateObject', job.session, template))
}

/** The result of a trial, or undefined when the library answers no, whatever its reason. */
function unlessRefused<Result>(trial: () => Result): Result | undefined {
  try {
    return trial()
  } catch (error) {
    if (error instanceof CryptokiError) return undefined
    throw error
  }
}
