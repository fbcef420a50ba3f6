/** Cuts a stream into messages: one element each, and a data element behind those that carry one. */
import { type XmlElement } from '../xml/element.js'
import { defaultXmlLimits, ElementReader, type XmlLimits } from '../xml/element-reader.js'
import { ByteQueue } from './byte-queue.js'
import { DataReader } from './data-element.js'

export interface Message {
  readonly element: XmlElement
  readonly data: Buffer | undefined
}

export interface MessageReaderOptions {
  /** Whether a data element follows this element. */
  readonly carriesData: (element: XmlElement) => boolean
  readonly limits?: XmlLimits
  readonly maxDataBytes?: number
}

/** 131,072 is the most that one random number request may return; results of ours are a few hundred bytes. */
const defaultMaxDataBytes = 256 * 1024

export class MessageReader {
  readonly #options: MessageReaderOptions
  readonly #queue = new ByteQueue()
  #element: ElementReader
  #waiting: { element: XmlElement; reader: DataReader } | undefined

  constructor(options: MessageReaderOptions) {
    this.#options = options
    this.#element = this.#newReader()
  }

  /** Bytes that have arrived and belong to no finished message. */
  get unread(): number {
    return this.#queue.length
  }

  append(chunk: Buffer): void {
    this.#queue.append(chunk)
  }

  /** The next whole message, or undefined until more has arrived. @throws WireError */
  next(): Message | undefined {
    if (!this.#waiting) {
      const element = this.#element.read(this.#queue)
      if (!element) return undefined
      this.#element = this.#newReader()
      if (!this.#options.carriesData(element)) return { element, data: undefined }
      const reader = new DataReader(this.#options.maxDataBytes ?? defaultMaxDataBytes)
      this.#waiting = { element, reader }
    }
    const { element, reader } = this.#waiting
    const data = reader.read(this.#queue)
    if (data === undefined) return undefined
    this.#waiting = undefined
    return { element, data }
  }

  #newReader(): ElementReader {
    return new ElementReader(this.#options.limits ?? defaultXmlLimits)
  }
}
