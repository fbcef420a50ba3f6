/**
 * The data elements that follow some messages: `<Data>` with one or more chunks, `<DataSingle>` with one, and the same two
 * with base64 text. A chunk is `<Size>N</Size>` and exactly N bytes, which may hold anything, also `<`.
 * @see docs/protocols/nae-xml.md#data-elements
 */
import type { ByteQueue } from './byte-queue.js'
import { WireError } from './wire-error.js'

export const dataForms = ['Data', 'DataSingle', 'Base64Data', 'Base64DataSingle'] as const
export type DataForm = (typeof dataForms)[number]

const isSingle = (form: DataForm) => form.endsWith('Single')
const isBase64 = (form: DataForm) => form.startsWith('Base64')

/** Longest tag of a data element, and longest size in digits: more than that is no data element. */
const maxTagBytes = 20
const maxSizeDigits = 7
const greaterThan = 0x3e
const lessThan = 0x3c
const spaces: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])

/** Bytes of `data` in this form. A single form takes all in one chunk; `chunkBytes` cuts the others. */
export function formatData(data: Buffer, form: DataForm, chunkBytes = data.length): Buffer {
  const encoded = isBase64(form) ? Buffer.from(data.toString('base64'), 'ascii') : data
  const size = isSingle(form) ? encoded.length : Math.max(1, chunkBytes)
  const parts: Buffer[] = [Buffer.from(`<${form}>`)]
  for (let at = 0; at === 0 || at < encoded.length; at += Math.max(1, size)) {
    const chunk = encoded.subarray(at, at + size)
    parts.push(Buffer.from(`<Size>${chunk.length}</Size>`), chunk)
  }
  return Buffer.concat([...parts, Buffer.from(`</${form}>`)])
}

/** Where the reader stands: before which tag, or how many bytes of a chunk are still to come. */
type Place = 'start' | 'chunk or end' | 'end' | 'size' | 'size end' | { readonly chunk: number }

/** Reads one data element of any form, however its bytes arrive. */
export class DataReader {
  readonly #maxBytes: number
  readonly #chunks: Buffer[] = []
  #form: DataForm = 'Data'
  #place: Place = 'start'
  #total = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * The data, once all of it has arrived; it is then removed from `queue`.
   * @throws WireError when what has arrived cannot become a data element of at most `maxBytes`.
   */
  read(queue: ByteQueue): Buffer | undefined {
    for (;;) {
      if (typeof this.#place === 'object') {
        if (queue.length < this.#place.chunk) return undefined
        this.#chunks.push(queue.take(this.#place.chunk))
        this.#place = isSingle(this.#form) ? 'end' : 'chunk or end'
      } else if (this.#place === 'size') {
        if (!this.#readSize(queue)) return undefined
      } else {
        const tag = readTag(queue)
        if (tag === undefined) return undefined
        if (this.#passTag(tag, this.#place) === 'finished') return this.#finish()
      }
    }
  }

  #readSize(queue: ByteQueue): boolean {
    const end = queue.indexOf(lessThan, 0)
    if ((end < 0 ? queue.length : end) > maxSizeDigits) throw new WireError('too-large')
    if (end < 0) return false
    const digits = queue.take(end).toString('latin1').trim()
    if (!/^[0-9]{1,7}$/.test(digits)) throw new WireError('not-xml')
    this.#total += Number(digits)
    if (this.#total > this.#maxBytes) throw new WireError('too-large')
    this.#size = Number(digits)
    this.#place = 'size end'
    return true
  }

  #size = 0

  #passTag(tag: string, place: Exclude<Place, object | 'size'>): 'finished' | undefined {
    const form = dataForms.find((each) => tag === `<${each}>`)
    if (place === 'start' && form) {
      this.#form = form
      this.#place = 'chunk or end'
    } else if (place === 'size end' && tag === '</Size>') this.#place = { chunk: this.#size }
    else if (place === 'chunk or end' && tag === '<Size>') this.#place = 'size'
    else if ((place === 'chunk or end' || place === 'end') && tag === `</${this.#form}>`) {
      return 'finished'
    } else throw new WireError('not-xml')
    return undefined
  }

  #finish(): Buffer {
    const data = Buffer.concat(this.#chunks)
    for (const chunk of this.#chunks) chunk.fill(0)
    if (!isBase64(this.#form)) return data
    const text = data.toString('latin1')
    data.fill(0)
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) throw new WireError('not-xml')
    return Buffer.from(text, 'base64')
  }
}

/** The next tag, after white space. After `</Size>` nothing is skipped: a chunk begins. */
function readTag(queue: ByteQueue): string | undefined {
  for (let first = queue.at(0); first !== undefined && spaces.has(first); first = queue.at(0)) {
    queue.drop(1)
  }
  const first = queue.at(0)
  if (first === undefined) return undefined
  if (first !== lessThan) throw new WireError('not-xml')
  const end = queue.indexOf(greaterThan, 0)
  if ((end < 0 ? queue.length : end) > maxTagBytes) throw new WireError('not-xml')
  return end < 0 ? undefined : queue.take(end + 1).toString('latin1')
}
