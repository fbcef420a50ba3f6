/**
 * The parts of a test or program between which flags do not mix: each test, and each declaration of the file. A command line is
 * often put together from named lists and by helpers, so a part has also what those hold whose names it mentions.
 */

/** Where a part begins: a declaration of the file, or a test (in the file or in a `describe`). */
const beginning =
  /^(?=(?:export )?(?:async )?(?:function|const|let)\b|describe\b| {0,2}(?:it|test)\b)/m
const declared = /^(?:export )?(?:async )?(?:function|const|let) (\w+)/

/** @returns {{ text: string, line: number, flags: Set<string> }[]} `line` is that of its first character, from 0 */
export function scopesOf(text) {
  let line = 0
  const parts = text.split(beginning).map((part) => {
    const scope = { text: part, line, name: declared.exec(part)?.[1], flags: flagsIn(part) }
    line += part.split('\n').length - 1
    return { ...scope, words: new Set(part.match(/\b[A-Za-z_]\w*\b/g)) }
  })
  return parts.map((part) => ({ ...part, flags: withOthers(part, parts) }))
}

/** Its own, those of what it mentions, and those of who mentions it: a helper is given the rest of a command line. */
function withOthers(part, parts) {
  const used = reach(part, ({ words }) => parts.filter(({ name }) => words.has(name)))
  const users = reach(part, ({ name }) => parts.filter(({ words }) => name && words.has(name)))
  return new Set([...used, ...users].flatMap(({ flags }) => [...flags]))
}

function reach(part, next) {
  const reached = new Set([part])
  // A set is walked to its end also where it grows meanwhile.
  for (const each of reached) for (const more of next(each)) reached.add(more)
  return reached
}

function flagsIn(text) {
  return [...text.matchAll(/['"`\s]--([a-z][a-z-]*)/g)].map((match) => match[1])
}
