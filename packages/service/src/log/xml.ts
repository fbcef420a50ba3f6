/** A small XML document as a tree with places, for configuration files: no document type (a fragment may have none), so no entities of its own; bounded. */
import { SaxesParser } from 'saxes'

/** Line and column counted from 1, just behind the start tag or the fault: as logback counts them. */
export interface XmlPlace {
  readonly line: number
  readonly column: number
}

export interface XmlElement extends XmlPlace {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  /** Character data without that of the children, outer white space taken off. */
  readonly text: string
}

/** What makes a text no document of ours. */
export class XmlFault extends Error {
  readonly place: XmlPlace

  constructor(place: XmlPlace, message: string) {
    super(message)
    this.name = 'XmlFault'
    this.place = place
  }
}

const maxCharacters = 1024 * 1024
const maxDepth = 16
const maxElements = 2000

type Growing = Omit<XmlElement, 'children' | 'text'> & { children: XmlElement[]; text: string }

/** The elements at the top of `text`, in their order. @throws XmlFault at the first fault. */
export function parseXml(text: string): readonly XmlElement[] {
  if (text.length > maxCharacters)
    throw new XmlFault({ line: 1, column: 1 }, 'the file is too long')
  const builder = new TreeBuilder()
  // A fragment: whether there is one element at the top, and which, is for the reader of the document to say.
  const parser = new SaxesParser({ position: true, fragment: true })
  const place = (): XmlPlace => ({ line: parser.line, column: parser.column + 1 })
  parser.on('opentag', ({ name, attributes }) => {
    // Without name spaces, which are not asked for, values are strings.
    builder.open({ name, attributes: attributes as Record<string, string> }, place())
  })
  parser.on('closetag', () => builder.close())
  parser.on('text', (chunk) => builder.addText(chunk, place()))
  parser.on('cdata', (chunk) => builder.addText(chunk, place()))
  parser.on('error', (error) => {
    throw new XmlFault(place(), error.message.replace(/^\d+:\d+: /, '').replace(/\.$/, ''))
  })
  parser.write(blankDeclaration(text)).close()
  return builder.top
}

/** A fragment has no XML declaration: blanks take its place. @throws XmlFault for another encoding than ours. */
function blankDeclaration(text: string): string {
  return text.replace(/^\uFEFF/, '').replace(/^<\?xml\s[^>]*\?>/, (declaration) => {
    const encoding = /encoding\s*=\s*["']([^"']*)["']/.exec(declaration)?.[1] ?? 'UTF-8'
    if (/^(utf-8|us-ascii)$/i.test(encoding)) return declaration.replaceAll(/[^\n]/g, ' ')
    throw new XmlFault(
      { line: 1, column: 1 },
      `the encoding ${encoding} is not supported, use UTF-8`,
    )
  })
}

class TreeBuilder {
  readonly top: XmlElement[] = []
  readonly #open: Growing[] = []
  #elements = 0

  open(tag: Pick<XmlElement, 'name' | 'attributes'>, place: XmlPlace): void {
    this.#elements += 1
    if (this.#elements > maxElements) throw new XmlFault(place, 'there are too many elements')
    if (this.#open.length >= maxDepth) throw new XmlFault(place, 'elements are nested too deep')
    const attributes = { ...tag.attributes }
    const element: Growing = { name: tag.name, attributes, children: [], text: '', ...place }
    const siblings = this.#open.at(-1)?.children ?? this.top
    siblings.push(element)
    this.#open.push(element)
  }

  close(): void {
    const element = this.#open.pop()
    if (element) element.text = element.text.trim()
  }

  addText(chunk: string, place: XmlPlace): void {
    const element = this.#open.at(-1)
    if (element) element.text += chunk
    else if (chunk.trim() !== '') throw new XmlFault(place, 'text outside of every element')
  }
}
