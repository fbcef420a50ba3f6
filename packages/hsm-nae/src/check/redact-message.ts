/**
 * A message as it may be shown to strangers: every element by its name, the texts of those that say how an appliance speaks,
 * and nothing of the others but their length. An element that nobody knows is shown as a name only.
 */
import type { NaeDialect, NameKey } from '../dialect/dialect.js'
import type { Message } from '../wire/message-reader.js'
import type { XmlElement } from '../xml/element.js'

/** Texts that are no secret and name nobody. */
const shown: readonly NameKey[] = [
  'success',
  'fatalError',
  'errorString',
  'messageVersion',
  'version',
  'algorithm',
  'keySize',
  'curveId',
  'size',
  'action',
  'tagLength',
  'versionNumber',
  'keyVersionState',
  'exportable',
  'deletable',
  'versionedKey',
  'keyOffset',
  'maxKeys',
]

/** Answers that list every key of the user: their names' number is told, not each. */
const mostAlike = 3

export interface Redaction {
  readonly dialect: NaeDialect
  /** User, host and the like: replaced in every text that is shown. */
  readonly private: readonly string[]
}

/** One line. */
export function redactMessage(message: Message, redaction: Redaction): string {
  const data = message.data === undefined ? '' : ` + ${message.data.length} bytes of data`
  return `${redact(message.element, redaction)}${data}`
}

function redact(element: XmlElement, redaction: Redaction): string {
  const { name, text, children } = element
  if (children.length > 0) {
    const inner = children.slice(0, firstMany(children)).map((child) => redact(child, redaction))
    const more = children.length - inner.length
    const rest = more > 0 ? `[${more} more]` : ''
    return `<${name}>${inner.join('')}${rest}</${name}>`
  }
  return text === '' ? `<${name}/>` : `<${name}>${redactText(element, redaction)}</${name}>`
}

/** Up to where the children are shown: a long row of the same name is cut. */
function firstMany(children: readonly XmlElement[]): number {
  const [first] = children
  const alike = children.every(({ name }) => name === first?.name)
  return alike && children.length > mostAlike ? mostAlike : children.length
}

function redactText({ name, text }: XmlElement, { dialect, ...redaction }: Redaction): string {
  const { names } = dialect
  if (name === names.authPassword) return '[password]'
  if (!shown.some((key) => names[key] === name)) return `[${text.length} characters]`
  return redaction.private
    .filter((word) => word !== '')
    .reduce((left, word) => left.replaceAll(word, '[private]'), text)
}
