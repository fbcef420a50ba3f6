/** Changes single settings in a file's text; comments, order and the look of every other line stay. */
import { type PropertiesNode, Properties, type PropertyNode } from 'properties-file/parser'

const valueEscapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
}

/** Only what must be escaped in a value, so that URLs and Base64 stay readable. @see java.util.Properties.load */
function escapeValue(value: string): string {
  return value
    .replaceAll(/[\\\n\r\t\f]/g, (found) => valueEscapes[found] ?? found)
    .replace(/^ /, '\\ ')
}

function escapeName(name: string): string {
  return name.replaceAll(/[\\ :=#!]/g, (found) => `\\${found}`)
}

function changedLine(node: PropertyNode, value: string): string {
  const separator =
    node.separatorChar === undefined
      ? ' = '
      : `${node.separatorLeading}${node.separatorChar}${node.separatorTrailing}`
  return `${node.leadingWhitespace}${node.escapedKey}${separator}${escapeValue(value)}`
}

function linesOf(node: PropertiesNode): readonly string[] {
  return node.type === 'property' ? node.rawLines : [node.rawLine]
}

/**
 * The part of a file whose names `rename` gives new ones, each in its old line; all others, comments too, are empty lines.
 */
export function viewSettings(text: string, rename: (name: string) => string | undefined): string {
  const document = new Properties(text)
  const lines = document.nodes.flatMap((node): readonly string[] => {
    const name = node.type === 'property' ? rename(node.key) : undefined
    if (node.type !== 'property' || name === undefined) return linesOf(node).map(() => '')
    const [first = '', ...more] = node.rawLines
    const rest = first.slice(node.leadingWhitespace.length + node.escapedKey.length)
    return [`${escapeName(name)}${rest}`, ...more]
  })
  return `${lines.join('\n')}\n`
}

/**
 * The text with `changes` made: a value replaces the first line of that name (repeated ones go), `undefined` removes
 * it, a new name is added at the end. The file ends with a newline afterwards.
 */
export function editSettings(
  text: string,
  changes: Readonly<Record<string, string | undefined>>,
): string {
  const document = new Properties(text)
  const done = new Set<string>()
  const lines = document.nodes.flatMap((node): readonly string[] => {
    if (node.type !== 'property' || !Object.hasOwn(changes, node.key)) return linesOf(node)
    const value = changes[node.key]
    if (value === undefined || done.has(node.key)) return []
    done.add(node.key)
    return [changedLine(node, value)]
  })
  while (lines.at(-1)?.trim() === '') lines.pop()
  for (const [name, value] of Object.entries(changes)) {
    if (value !== undefined && !done.has(name))
      lines.push(`${escapeName(name)}=${escapeValue(value)}`)
  }
  const bom = document.hasBom ? '\ufeff' : ''
  return lines.length === 0
    ? ''
    : `${bom}${lines.join(document.eolCharacter)}${document.eolCharacter}`
}
