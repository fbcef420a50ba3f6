/** Searches for secrets, plain and encoded, in the files of a home and in texts. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Files that hold a secret because they are where its user put it; the token holds its own. */
const ownPlaces = [
  /^program\//,
  /^tokens\//,
  /(^|\/)pin(\.so|\.keystore|\.new)?$/,
  /(^|\/)auth$/,
  /(^|\/)content/,
]

/**
 * Places that hold a secret in any of its spellings: names, never values. A file that goes while it is looked for is none.
 * @param {{ home: string, marks: { name: string, value: string }[], texts?: Record<string, string>, allowed?: RegExp[] }} o
 */
export function findSecrets({ home, marks, texts = {}, allowed = [] }) {
  const needles = marks.flatMap(({ name, value }) =>
    spellings(value).map((text) => ({ name, bytes: Buffer.from(text) })),
  )
  const found = new Set()
  const look = (place, bytes) => {
    for (const { name, bytes: needle } of needles)
      if (bytes.includes(needle)) found.add(`${name} in ${place}`)
  }
  for (const path of filesBelow(home, allowed)) look(path, readOrNothing(join(home, path)))
  for (const [place, text] of Object.entries(texts)) look(place, Buffer.from(text))
  return [...found]
}

/** Files of a home that must hold no secret, by their paths in it. */
export function filesBelow(home, allowed = []) {
  return readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(home, join(entry.parentPath, entry.name)))
    .filter((path) => ![...ownPlaces, ...allowed].some((pattern) => pattern.test(path)))
}

function readOrNothing(path) {
  try {
    return readFileSync(path)
  } catch {
    return Buffer.alloc(0)
  }
}

/** Plain, hex, base64 at each of the three alignments, URL-safe. */
function spellings(value) {
  const bytes = Buffer.from(value)
  const aligned = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    return text.slice(shift === 0 ? 0 : shift + 1, -2)
  })
  return [
    value,
    bytes.toString('hex'),
    ...aligned,
    ...aligned.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ]
}
