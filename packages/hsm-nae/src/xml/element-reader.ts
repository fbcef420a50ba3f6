/**
 * Reads one root element from the front of a stream that goes on with other bytes: NAE-XML has no length before a message,
 * and raw bytes follow some. Nothing behind the root's end tag is looked at. Each piece handed to the parser ends with `>`,
 * so what has arrived when the depth returns to zero is exactly the element.
 *
 * The XML accepted is smaller than XML: elements, text, the five entities, character references, one declaration at the
 * front; no document type, comment, CDATA section or processing instruction; UTF-8 only; bounded bytes, depth, elements.
 */
import { SaxesParser } from 'saxes'
import type { ByteQueue } from '../wire/byte-queue.js'
import { recogniseProtocol, WireError } from '../wire/wire-error.js'
import type { XmlElement } from './element.js'

export interface XmlLimits {
  readonly maxBytes: number
  readonly maxDepth: number
  readonly maxElements: number
}

/** More than any message of ours needs; a listing is asked for in pages. */
export const defaultXmlLimits: XmlLimits = { maxBytes: 2 ** 20, maxDepth: 16, maxElements: 50_000 }

const lessThan = 0x3c
const greaterThan = 0x3e
const spaces: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])
const declaration = /^<\?xml version=["']1\.[0-9]["'](?: encoding=["']UTF-8["'])?\s*\?>$/i

interface Open {
  readonly name: string
  readonly texts: string[]
  readonly children: XmlElement[]
}

export class ElementReader {
  readonly #limits: XmlLimits
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  readonly #parser = new SaxesParser({ position: false })
  readonly #open: Open[] = []
  #read = 0
  #scanned = 0
  #elements = 0
  #began = false
  #done: XmlElement | undefined

  constructor(limits: XmlLimits = defaultXmlLimits) {
    this.#limits = limits
    this.#parser.on('opentag', ({ name }) => this.#enter(name))
    this.#parser.on('text', (text) => this.#open.at(-1)?.texts.push(text))
    this.#parser.on('closetag', () => this.#leave())
  }

  /**
   * The element, once all of it has arrived; it is then removed from `queue`.
   * @throws WireError when what has arrived cannot become an element.
   */
  read(queue: ByteQueue): XmlElement | undefined {
    if (!this.#began && !this.#begin(queue)) return undefined
    while (this.#done === undefined) {
      const end = queue.indexOf(greaterThan, this.#scanned)
      const piece = end < 0 ? queue.length : end + 1
      if (this.#read + piece > this.#limits.maxBytes) throw new WireError('too-large')
      if (end < 0) {
        this.#scanned = queue.length
        return undefined
      }
      this.#scanned = 0
      this.#read += piece
      this.#parse(queue.take(piece))
    }
    return this.#done
  }

  /** Skips white space between messages; true when the first byte of an element is there. */
  #begin(queue: ByteQueue): boolean {
    for (let first = queue.at(0); first !== undefined; first = queue.at(0)) {
      if (first === lessThan) {
        this.#began = true
        return true
      }
      if (!spaces.has(first)) throw new WireError(recogniseProtocol(first, queue.at(1)))
      queue.drop(1)
    }
    return false
  }

  #parse(piece: Buffer): void {
    try {
      const text = this.#decoder.decode(piece)
      const first = this.#read === piece.length
      if (/<[!?]/.test(text) && !(first && declaration.test(text))) {
        throw new WireError('forbidden-xml')
      }
      this.#parser.write(text)
    } catch (error) {
      // The parser's message may quote the text, which may be a password or a key: it is not kept.
      throw error instanceof WireError ? error : new WireError('not-xml')
    }
  }

  #enter(name: string): void {
    this.#elements += 1
    const { maxDepth, maxElements } = this.#limits
    if (this.#open.length >= maxDepth || this.#elements > maxElements) {
      throw new WireError('too-large')
    }
    this.#open.push({ name, texts: [], children: [] })
  }

  #leave(): void {
    const ended = this.#open.pop()
    if (!ended) throw new WireError('not-xml')
    const { name, texts, children } = ended
    const text = texts.join('').trim()
    if (children.length > 0 && text !== '') throw new WireError('not-xml')
    const element = { name, text, children }
    const parent = this.#open.at(-1)
    if (parent) parent.children.push(element)
    else this.#done = element
  }
}
