import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Handle } from '@keyhsm/core'
import { parseHandle, parseUuid } from '@keyhsm/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  digestOf,
  formatSignedContent,
  formatStatement,
  isSignedByWriter,
  parseSignedContent,
  type Statement,
  signStatement,
} from '../../src/sealing/statement.js'
import { rawWriterKey } from '../../src/sealing/writer-key.js'

const file = join(import.meta.dirname, '../vectors/client-sealed-v1.json')
const vectors: Record<string, string> = JSON.parse(readFileSync(file, 'utf8'))

const handles = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/) as fc.Arbitrary<Handle>
const statements: fc.Arbitrary<Statement> = fc.record({
  organisation: fc.uuid().map((text) => parseUuid(text)),
  handle: handles,
  contentDigest: bytesOf(32),
  writer: bytesOf(32),
  writtenAt: fc.date({ min: new Date(0), noInvalidDate: true }),
})

function bytesOf(length: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes))
}

describe('a signed content', () => {
  it('is parsed to what was formatted, and formatted to what was parsed', () => {
    const contents = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(statements, bytesOf(64), contents, (statement, signature, content) => {
        const bytes = formatSignedContent(statement, signature, content)
        const parsed = parseSignedContent(bytes)
        expect(parsed).toMatchObject({ statement, signature })
        expect(parsed?.content).toEqual(Buffer.from(content))
        if (parsed)
          expect(formatSignedContent(parsed.statement, parsed.signature, parsed.content)).toEqual(
            bytes,
          )
      }),
    )
  })

  it('is parsed or refused, never a crash, whatever the bytes are', () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc
        .uint8Array({ maxLength: 400 })
        .map((rest) => Buffer.concat([Buffer.from('KTSC\x01', 'latin1'), rest])),
    )
    fc.assert(
      fc.property(anything, (bytes) => {
        const buffer = Buffer.from(bytes)
        const parsed = parseSignedContent(buffer)
        if (parsed)
          expect(formatSignedContent(parsed.statement, parsed.signature, parsed.content)).toEqual(
            buffer,
          )
      }),
    )
  })

  it('loses its signature when any bit of the statement changes', () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const statement: Statement = {
      organisation: parseUuid('6f9619ff-8b86-4d01-b42d-00cf4fc964ff'),
      handle: parseHandle('h'),
      contentDigest: digestOf(Buffer.from('c')),
      writer: rawWriterKey(privateKey),
      writtenAt: new Date(1),
    }
    const bytes = formatSignedContent(
      statement,
      signStatement(statement, privateKey),
      Buffer.from('c'),
    )
    expect(isSigned(bytes)).toBe(true)
    for (let bit = 0; bit < formatStatement(statement).length * 8; bit += 1) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(isSigned(changed)).toBe(false)
    }
  })

  it('has the frozen layout and signature', () => {
    const seed = Buffer.from(String(vectors['writerSeed']), 'hex')
    // RFC 8410 §7: an Ed25519 private key in PKCS#8 is this prefix and the seed.
    const key = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
    const writer = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
    const statement: Statement = {
      organisation: parseUuid(String(vectors['organisation'])),
      handle: parseHandle(String(vectors['handle'])),
      contentDigest: digestOf(Buffer.from(String(vectors['content']), 'hex')),
      writer: rawWriterKey(writer),
      writtenAt: new Date(String(vectors['writtenAt'])),
    }
    expect(formatStatement(statement).toString('hex')).toBe(vectors['statement'])
    expect(signStatement(statement, writer).toString('hex')).toBe(vectors['signature'])
  })
})

function isSigned(bytes: Buffer): boolean {
  const parsed = parseSignedContent(bytes)
  return parsed !== undefined && isSignedByWriter(parsed)
}
