import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fingerprint } from '@keyhsm/core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findServerFault } from '../../src/transport/probe-server.js'
import { fingerprintOf, splitPem } from '../../src/transport/server-check.js'
import { makePair, type Pair, type RealServer, startServer } from '../real-server.js'

let folder: string
let pairs: Record<'ca' | 'issued' | 'lone' | 'other', Pair>
let server: RealServer | undefined
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'server-check-'))
  const ca = makePair(folder, 'test-ca')
  const issued = makePair(folder, 'localhost', 'test-ca')
  pairs = { ca, issued, lone: makePair(folder, 'lone'), other: makePair(folder, 'other') }
})
afterEach(() => server?.close())
afterAll(() => rmSync(folder, { recursive: true }))

async function serve(tls?: Pair): Promise<RealServer> {
  server = await startServer(() => {}, tls)
  return server
}

describe('findServerFault', () => {
  it('finds none with the pinned leaf, its fingerprint, or its CA under the right name', async () => {
    const lone = await serve(pairs.lone)
    const [leaf] = splitPem(pairs.lone.cert, 'lone')
    if (!leaf) throw new Error('no certificate')
    const pinnedFingerprint = fingerprintOf(leaf)
    expect(await findServerFault(lone.url, { ca: [pairs.lone.cert] })).toBeUndefined()
    expect(
      await findServerFault(lone.url, { ca: [pairs.lone.cert], pinnedFingerprint }),
    ).toBeUndefined()
    await lone.close()
    const { port } = await serve(pairs.issued)
    expect(
      await findServerFault(`https://localhost:${port}`, { ca: [pairs.ca.cert] }),
    ).toBeUndefined()
  })

  it('finds another certificate, another fingerprint and another name, and sends nothing', async () => {
    const lone = await serve(pairs.lone)
    const pinnedFingerprint = '0'.repeat(64) as Fingerprint
    for (const pins of [
      { ca: [pairs.other.cert] },
      { ca: [pairs.ca.cert] },
      { ca: [pairs.lone.cert], pinnedFingerprint },
    ])
      expect(await findServerFault(lone.url, pins)).toMatchObject({ code: 'ERR_NOT_AUTHENTICATED' })
    expect(lone.seen).toEqual([])
    await lone.close()
    const issued = await serve(pairs.issued)
    const fault = await findServerFault(issued.url, { ca: [pairs.ca.cert] })
    expect(fault?.message).toContain('it names another host')
  })

  it('throws when there is nothing to compare', async () => {
    const plain = await serve()
    await expect(findServerFault(plain.url, { ca: [pairs.lone.cert] })).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
    })
    await plain.close()
    await expect(findServerFault(plain.url, { ca: [pairs.lone.cert] })).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
    })
    await expect(findServerFault('http://h', { ca: [] })).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
    })
  })
})

describe('splitPem', () => {
  it('reads every certificate of a text', () => {
    const text = `a comment\n${pairs.lone.cert}\n${pairs.ca.cert}`
    expect(splitPem(text, 'f').map((one) => one.toString())).toEqual([
      pairs.lone.cert,
      pairs.ca.cert,
    ])
  })
  it.each(['', 'text', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])(
    'refuses %j',
    (text) => {
      expect(() => splitPem(text, '--cacert')).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_INPUT',
          message: expect.stringContaining('--cacert '),
        }),
      )
    },
  )
})
