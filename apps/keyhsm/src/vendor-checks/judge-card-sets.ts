/** nShield: which operator card sets the readers hold, and whether the one of the settings can be logged in to. */
import { bad, good, unknown, type VendorFinding } from './finding.js'

const cardCheck = 'Operator card set'

/** One card set as `nfkminfo` shows it: K of its N cards are needed. */
export interface CardSet {
  readonly name: string
  readonly needed: number
  readonly cards: number
}

/**
 * The card sets of the cards that are in readers.
 * @see nShield user guide, nfkminfo: a block `Cardset` with the lines `name` and `k-out-of-n`; never tried on a device
 */
export function parseCardSets(nfkminfo: string): readonly CardSet[] {
  const blocks = nfkminfo.split(/^(?=Cardset\s*$|Module |Pre-Loaded|No Pre-Loaded)/m)
  return blocks.flatMap((block) => {
    const name = /^Cardset\s*\n(?:.*\n)*?\s*name\s+"(.*)"/.exec(block)?.[1]
    const [, needed, cards] = /^\s*k-out-of-n\s+(\d+)\/(\d+)/m.exec(block) ?? []
    if (name === undefined || needed === undefined || cards === undefined) return []
    return [{ name, needed: Number(needed), cards: Number(cards) }]
  })
}

/** What that means for the token of the settings. */
export function judgeCardSets(label: string | undefined, sets: readonly CardSet[]): VendorFinding {
  const [first] = sets
  if (first === undefined) {
    return unknown(cardCheck, 'no card of one is in a reader, as with a softcard')
  }
  const ours = label === undefined ? first : sets.find(({ name }) => name === label)
  if (ours === undefined) {
    const names = sets.map(({ name }) => name).join(', ')
    return unknown(cardCheck, `“${label}” is not among those in the readers: ${names}`)
  }
  const what = `“${ours.name}” is ${ours.needed} of ${ours.cards}`
  if (ours.needed === 1) return good(cardCheck, what)
  return bad(cardCheck, `${what}: PKCS#11 logs in with the passphrase of one card`, [
    'use a card set of 1 of N, or a softcard: ppmk --new NAME',
    'a set of K of N would have to be loaded with the vendor’s preload, after which no passphrase is checked: not supported',
  ])
}
