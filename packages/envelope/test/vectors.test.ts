/** Frozen vectors: what version 1 wrote must open in every later release, and what it refused must stay refused. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import {
  formatContext,
  openContent,
  parseSealed,
  sealContent,
  formatWrapBinding,
} from '../src/index.js'

const file = new URL('./vectors/sealed-deposit-v1.json', import.meta.url)
const opener = new URL('../../../interop/opener/open_sealed.py', import.meta.url).pathname

interface Vector {
  name: string
  context: { organisation: string; deposit: string; handle: string; revision: number }
  contentKey: string
  authSecret: string
  sealed: string
  content?: string
  wrapBinding?: string
  refused?: string
}

const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vector[]

function open(vector: Vector): Buffer {
  return openContent({
    sealed: parseSealed(Buffer.from(vector.sealed, 'hex')),
    context: vector.context as never,
    contentKey: SecretBytes.own(Buffer.from(vector.contentKey, 'hex')),
    authSecret: SecretBytes.own(Buffer.from(vector.authSecret, 'hex')),
  })
}

describe('sealed deposit v1', () => {
  it('has vectors that open and vectors that are refused', () => {
    expect(vectors.filter((vector) => vector.content !== undefined).length).toBeGreaterThan(3)
    expect(vectors.filter((vector) => vector.refused !== undefined).length).toBeGreaterThan(8)
  })

  it.each(vectors)('$name', (vector) => {
    if (vector.refused !== undefined) {
      expect(() => open(vector)).toThrowError(expect.objectContaining({ code: 'ERR_INTEGRITY' }))
      return
    }
    expect(open(vector).toString('hex')).toBe(vector.content)
    const { header } = parseSealed(Buffer.from(vector.sealed, 'hex'))
    expect(formatWrapBinding(header, vector.context as never).toString('hex')).toBe(
      vector.wrapBinding,
    )
    const again = sealContent(
      {
        header,
        context: vector.context as never,
        content: Buffer.from(vector.content ?? '', 'hex'),
        contentKey: SecretBytes.own(Buffer.from(vector.contentKey, 'hex')),
        authSecret: SecretBytes.own(Buffer.from(vector.authSecret, 'hex')),
      },
      header.nonce,
    )
    expect(again.toString('hex')).toBe(vector.sealed)
  })

  it('encodes the context canonically', () => {
    const [vector] = vectors
    expect(
      formatContext(vector?.context as never)
        .subarray(0, 5)
        .toString('latin1'),
    ).toBe('KHCX\x01')
    expect(
      (parseSealed(Buffer.from(vector?.sealed ?? '', 'hex')).header.hsmKeyId as HsmKeyId).length,
    ).toBe(32)
  })
})

describe('an opener in another language', () => {
  const probe = spawnSync('python3', ['-c', 'import cryptography'])
  it.skipIf(probe.status !== 0)('agrees on every vector (needs python3-cryptography)', () => {
    const output = execFileSync('python3', [opener, file.pathname], { encoding: 'utf8' })
    expect(output.trim()).toBe(`${vectors.length} of ${vectors.length} agree`)
  })
})
