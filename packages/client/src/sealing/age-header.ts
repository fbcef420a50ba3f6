/** The text at the beginning of an age file. @see https://age-encryption.org/v1 */
import { unpadded } from './unpadded.js'

/** A file key, wrapped for one reader. */
export interface Stanza {
  /** Kind first. */
  readonly args: readonly string[]
  readonly body: Buffer
}

export interface AgeHeader {
  readonly stanzas: readonly Stanza[]
  /** What the MAC covers. */
  readonly covered: Buffer
  readonly mac: Buffer
  /** Where the payload begins. */
  readonly end: number
}

const versionLine = 'age-encryption.org/v1'
/** Characters of base64 in a line of a stanza's body; a shorter one ends it. */
const bodyColumns = 64
const macMark = '---'

/** Version, stanzas and the mark before the MAC. */
export function formatCovered(stanzas: readonly Stanza[]): Buffer {
  const lines = stanzas.flatMap(({ args, body }) => {
    const text = unpadded.encode(body)
    const rows = Array.from({ length: Math.floor(text.length / bodyColumns) + 1 }, (_, row) =>
      text.slice(row * bodyColumns, (row + 1) * bodyColumns),
    )
    return [`-> ${args.join(' ')}`, ...rows]
  })
  return Buffer.from([versionLine, ...lines, macMark].join('\n'), 'latin1')
}

/** Undefined for anything else than a whole header of this version. */
export function parseAgeHeader(file: Buffer): AgeHeader | undefined {
  const lines = new Lines(file)
  if (lines.next() !== versionLine) return undefined
  const stanzas: Stanza[] = []
  for (;;) {
    const start = lines.at
    const line = lines.next()
    if (line?.startsWith(`${macMark} `) === true) {
      const mac = unpadded.decode(line.slice(macMark.length + 1))
      const covered = file.subarray(0, start + macMark.length)
      return mac && { stanzas, covered, mac, end: lines.at }
    }
    const stanza = line === undefined ? undefined : parseStanza(line, lines)
    if (!stanza) return undefined
    stanzas.push(stanza)
  }
}

function parseStanza(first: string, lines: Lines): Stanza | undefined {
  const [arrow, ...args] = first.split(' ')
  if (arrow !== '->' || args.length === 0 || args.includes('')) return undefined
  const parts: Buffer[] = []
  for (;;) {
    const line = lines.next()
    const part = line === undefined ? undefined : unpadded.decode(line)
    if (line === undefined || !part || line.length > bodyColumns) return undefined
    parts.push(part)
    if (line.length < bodyColumns) return { args, body: Buffer.concat(parts) }
  }
}

/** Lines of printable ASCII. */
class Lines {
  readonly #bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Undefined at the end, and for a line with anything else. */
  next(): string | undefined {
    const end = this.#bytes.indexOf(0x0a, this.at)
    if (end < 0) return undefined
    const line = this.#bytes.toString('latin1', this.at, end)
    this.at = end + 1
    return /^[\x20-\x7e]*$/.test(line) ? line : undefined
  }
}
