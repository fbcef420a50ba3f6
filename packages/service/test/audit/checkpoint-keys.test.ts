import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { hasCode } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import {
  checkpointKeyId,
  ed25519AuditSigner,
  isSignedByOne,
  makeAuditKey,
  parseCheckpointKeys,
} from '../../src/audit/checkpoint-keys.js'

const message = Buffer.from('message')

function ecKey(namedCurve: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  return { privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }
}

describe('ed25519AuditSigner', () => {
  it('signs so that its public key alone verifies', async () => {
    const signer = ed25519AuditSigner(makeAuditKey())
    const signature = await signer.sign(message)
    const keys = parseCheckpointKeys(signer.publicKey)
    expect(signature).toHaveLength(64)
    expect(isSignedByOne(keys, message, signature)).toBe(true)
    expect(isSignedByOne(keys, Buffer.from('other'), signature)).toBe(false)
    const other = parseCheckpointKeys(ed25519AuditSigner(makeAuditKey()).publicKey)
    expect(isSignedByOne(other, message, signature)).toBe(false)
    expect(isSignedByOne([...other, ...keys], message, signature)).toBe(true)
    expect(signer.keyId).toBe(checkpointKeyId(createPublicKey(signer.publicKey)))
  })

  it('takes no other kind of key, and nothing that is none', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    for (const bad of [pem, 'x', ''])
      expect(() => ed25519AuditSigner(bad)).toThrow('audit.key is not an Ed25519 private key')
  })
})

describe('isSignedByOne', () => {
  it('takes ECDSA P-256 as r ‖ s, and nothing that is no signature', () => {
    const { privateKey, pem } = ecKey('prime256v1')
    const keys = parseCheckpointKeys(pem)
    const raw = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    expect(isSignedByOne(keys, message, raw)).toBe(true)
    for (const bad of [sign('sha256', message, privateKey), Buffer.alloc(64), Buffer.alloc(0)]) {
      expect(isSignedByOne(keys, message, bad)).toBe(false)
    }
  })
})

describe('parseCheckpointKeys', () => {
  it('refuses private keys, other curves and other text', () => {
    for (const bad of ['', 'x', makeAuditKey(), ecKey('secp384r1').pem, ecKey('secp256k1').pem]) {
      expect(() => parseCheckpointKeys(bad)).toThrow(/public key must be/)
    }
    const broken = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'
    expect(() => parseCheckpointKeys(broken)).toThrow(/Ed25519 or P-256/)
    try {
      parseCheckpointKeys('')
    } catch (error) {
      expect(hasCode(error, 'ERR_INVALID_INPUT')).toBe(true)
    }
  })
})
