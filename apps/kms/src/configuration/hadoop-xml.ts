/**
 * Hadoop's configuration files: `<configuration><property><name/><value/></property>…`. Everything that is not understood is a fault with
 * line and column; a DOCTYPE is refused, so entities cannot grow or reach for files.
 * @see org.apache.hadoop.conf.Configuration
 */
import { DomainError, type FieldFault } from '@keyhsm/core'
import { SaxesParser } from 'saxes'

/** One property as it stands in a file, values not substituted. */
export interface XmlProperty {
  readonly name: string
  readonly value: string
  /** Later files may not override it. */
  readonly final: boolean
  readonly line: number
}

/** A file that is included at its place; relative to the including one. */
export interface XmlInclude {
  readonly include: string
  readonly line: number
}

export type XmlItem = XmlProperty | XmlInclude

const maxDepth = 8
/** What is known and means nothing here (`tag`, `source`, …) is read over. */
const knownFields = new Set(['name', 'value', 'final', 'source', 'description', 'tag'])

/** @throws ERR_SETTINGS with line and column of the first fault. */
export function parseHadoopXml(text: string, file: string): readonly XmlItem[] {
  const reader = new Reader(file)
  reader.read(text)
  return reader.items
}

class Reader {
  readonly items: XmlItem[] = []
  readonly #file: string
  readonly #parser = new SaxesParser()
  readonly #path: string[] = []
  #field = ''
  #fields = new Map<string, string>()
  #line = 0

  constructor(file: string) {
    this.#file = file
    this.#parser.on('error', (error) => this.#fail(error.message.replace(/^\d+:\d+: /, '')))
    this.#parser.on('doctype', () => this.#fail('a DOCTYPE is not allowed'))
    this.#parser.on('opentag', ({ name, attributes }) => this.#open(name, attributes))
    this.#parser.on('closetag', ({ name }) => this.#close(name))
    this.#parser.on('text', (chunk) => this.#text(chunk))
    this.#parser.on('cdata', (chunk) => this.#text(chunk))
  }

  read(text: string): void {
    this.#parser.write(text.replace(/^\ufeff/, '')).close()
  }

  #open(name: string, attributes: Readonly<Record<string, string>>): void {
    this.#path.push(name)
    if (this.#path.length > maxDepth) this.#fail('elements are nested too deeply')
    const parent = this.#path.at(-2)
    if (parent === undefined) {
      if (name !== 'configuration') this.#fail(`must begin with <configuration>, not <${name}>`)
    } else if (parent === 'configuration') this.#openItem(name, attributes)
    else if (parent === 'property') this.#openField(name)
    else if (parent !== 'xi:include' && parent !== 'xi:fallback')
      this.#fail(`<${name}> cannot stand inside <${parent}>`)
  }

  #openItem(name: string, attributes: Readonly<Record<string, string>>): void {
    this.#line = this.#parser.line
    this.#fields = new Map()
    if (name === 'xi:include') {
      const include = attributes['href']
      if (!include) this.#fail('<xi:include> has no href')
      else this.items.push({ include, line: this.#line })
    } else if (name === 'property') {
      // Hadoop takes name and value as attributes too.
      for (const [key, value] of Object.entries(attributes)) this.#fields.set(key, value)
    } else this.#fail(`<${name}> is not known; only <property> can stand here`)
  }

  #openField(name: string): void {
    if (!knownFields.has(name)) this.#fail(`<${name}> is not known inside <property>`)
    if (this.#fields.has(name) && name !== 'source' && name !== 'description')
      this.#fail(`<${name}> stands twice in one <property>`)
    this.#field = name
    this.#fields.set(name, '')
  }

  #text(chunk: string): void {
    if (this.#field !== '')
      this.#fields.set(this.#field, (this.#fields.get(this.#field) ?? '') + chunk)
    else if (chunk.trim() !== '' && this.#path.at(-1) !== 'description')
      this.#fail('text cannot stand here')
  }

  #close(name: string): void {
    this.#path.pop()
    this.#field = ''
    if (name !== 'property' || this.#path.at(-1) !== 'configuration') return
    const key = this.#fields.get('name')?.trim()
    if (!key) this.#fail('a <property> has no <name>')
    const value = this.#fields.get('value')
    // As Hadoop does: a property without a value says nothing.
    if (!key || value === undefined) return
    const final = this.#fields.get('final')?.trim() === 'true'
    this.items.push({ name: key, value, final, line: this.#line })
  }

  #fail(rule: string): never {
    const { line, column } = this.#parser
    throw xmlFault(this.#file, { field: `${this.#file}:${line}:${column}`, rule, line })
  }
}

/** @returns ERR_SETTINGS with one fault. */
export function xmlFault(file: string, fault: FieldFault): DomainError {
  return new DomainError(
    'ERR_SETTINGS',
    `${fault.field.startsWith(file) ? '' : `${file}: `}${fault.field} ${fault.rule}`,
    {
      faults: [fault],
    },
  )
}
