import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { followSuccessions, signSuccession, type Succession } from '../src/succession.js'

interface Vectors {
  readonly pairs: Readonly<
    Record<string, { readonly certificate: string; readonly privateKey: string }>
  >
  readonly successions: readonly Succession[]
}

const vectors = JSON.parse(
  readFileSync(new URL('vectors/succession-v1.json', import.meta.url), 'utf8'),
) as Vectors

/** Within the life of every pair of the vectors. */
const now = new Date('2026-01-05T00:00:00Z')

function pair(name: string) {
  const found = vectors.pairs[name]
  if (!found) throw new Error(`no pair ${name}`)
  const { certificate, privateKey } = found
  return { certificate: new X509Certificate(certificate), key: createPrivateKey(privateKey) }
}

type Pair = ReturnType<typeof pair>

const [a, b, c, thief, short, authority] = ['a', 'b', 'c', 'thief', 'short', 'authority'].map(
  pair,
) as [Pair, Pair, Pair, Pair, Pair, Pair]
const all = [a, b, c, thief, short, authority]

function follow(before: Pair, next: Pair, at = now): Succession {
  const { certificate, key } = before
  return signSuccession({ before: certificate, key, next: next.certificate, now: at })
}

/** What is found, by its place in `all`. */
function found(pinned: Pair, successions: readonly Succession[]): number[] {
  return followSuccessions([pinned.certificate], successions).map((certificate) =>
    all.findIndex((one) => one.certificate.raw.equals(certificate.raw)),
  )
}

describe('successions of certificates', () => {
  it('lead over several steps in any order, from EC and RSA keys', () => {
    const steps = [follow(b, c), follow(a, b)]
    expect(found(a, steps)).toEqual([0, 1, 2])
    expect(found(b, steps)).toEqual([1, 2])
    expect(found(c, steps)).toEqual([2])
    expect(found(a, [])).toEqual([0])
  })

  it('lead nowhere when they are forged, changed, out of time, or about an authority', () => {
    const good = follow(a, b)
    const late = new Date('2026-02-01T00:00:00Z')
    const early = new Date('2025-12-01T00:00:00Z')
    const bad: readonly Succession[] = [
      { ...follow(thief, b), predecessor: good.predecessor },
      { ...good, certificate: thief.certificate.toString() },
      { ...good, signedAt: '2026-01-05T00:00:00.001Z' },
      { ...good, signature: '' },
      { ...good, certificate: 'x' },
      follow(a, b, early),
      follow(a, authority),
    ]
    for (const one of bad) expect(found(a, [one])).toEqual([0])
    expect(found(short, [follow(short, a)])).toEqual([4, 0])
    expect(found(short, [follow(short, a, late)])).toEqual([4])
    expect(found(authority, [follow(authority, a)])).toEqual([5])
  })

  it('hold for ever once written: the frozen ones lead to their end', () => {
    expect(found(a, vectors.successions)).toEqual([0, 1, 2])
  })
})
