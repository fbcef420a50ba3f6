/**
 * The state of the client authorities as it passes through the database from server to server: encrypted and authenticated under
 * a key made from `grant.key`, which all of them have and the database has not. docs/formats/authorities.md has every byte.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import type { Grants } from '../grants.js'
import type { Authorities } from './authorities.js'

const magic = Buffer.from('KTCA')
const version = 1
const nonceBytes = 12
const tagBits = 128
const headBytes = magic.length + 1

/** A key of its own for each sequence, and a fresh nonce besides: two servers may make the same number at once. */
export function sealAuthorities(
  grants: Pick<Grants, 'mac'>,
  sequence: number,
  state: Authorities,
): Buffer {
  const { certificate, privateKey, previous } = state
  const plain = Buffer.from(JSON.stringify({ certificate, privateKey, previous }))
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', keyOf(grants, sequence), nonce)
  cipher.setAAD(head(sequence))
  const body = [cipher.update(plain), cipher.final()]
  plain.fill(0)
  return Buffer.concat([magic, Buffer.of(version), nonce, ...body, cipher.getAuthTag()])
}

/** @throws ERR_INTEGRITY for whatever a server of this installation did not make for this very sequence */
export function openAuthorities(
  grants: Pick<Grants, 'mac'>,
  sequence: number,
  sealed: Buffer,
): Authorities {
  const tagBytes = tagBits / 8
  const from = headBytes + nonceBytes
  try {
    if (!sealed.subarray(0, headBytes).equals(Buffer.concat([magic, Buffer.of(version)])))
      throw new Error('another format')
    if (sealed.length < from + tagBytes) throw new Error('too short')
    const nonce = sealed.subarray(headBytes, from)
    const cipher = createDecipheriv('aes-256-gcm', keyOf(grants, sequence), nonce, {
      authTagLength: tagBytes,
    })
    cipher.setAAD(head(sequence)).setAuthTag(sealed.subarray(-tagBytes))
    const plain = Buffer.concat([cipher.update(sealed.subarray(from, -tagBytes)), cipher.final()])
    return JSON.parse(plain.toString('utf8')) as Authorities
  } catch (cause) {
    throw new DomainError(
      'ERR_INTEGRITY',
      'the client authorities in the database were not made by a server of this installation',
      { cause },
    )
  }
}

function keyOf(grants: Pick<Grants, 'mac'>, sequence: number): Buffer {
  return grants.mac('authorities', ['key', sequence])
}

/** Magic, version, and the sequence as four bytes, big-endian. */
function head(sequence: number): Buffer {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(sequence)
  return Buffer.concat([magic, Buffer.of(version), number])
}
