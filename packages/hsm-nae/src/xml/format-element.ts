/** Writes an element as one line without declaration or white space, as the appliance expects it. */
import { invalidInput } from '@keyhsm/core'
import type { XmlElement } from './element.js'

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

// What XML 1.0 §2.2 leaves out of Char; a carriage return would come back as a line feed (§2.11).
const notXml = /[^\t\n -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u
const elementName = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/

/**
 * The bytes of `element`.
 * @throws ERR_INVALID_INPUT naming the element when its text holds a character that XML cannot carry, or its name is none.
 */
export function formatElement(element: XmlElement): Buffer {
  return Buffer.from(format(element), 'utf8')
}

function format({ name, text, children }: XmlElement): string {
  if (!elementName.test(name)) throw invalidInput('element', 'must have the name of an XML element')
  if (notXml.test(text)) throw invalidInput(name, 'holds a character that XML cannot carry')
  const inner = children.length > 0 ? children.map(format).join('') : escape(text)
  return inner === '' ? `<${name}/>` : `<${name}>${inner}</${name}>`
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? character)
}
