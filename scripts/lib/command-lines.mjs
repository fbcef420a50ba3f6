/**
 * The command lines that scripts, programs and tests run, each by itself: what one has in options, another does not lend it.
 * A line is its text (as a shell reads it) or its words.
 */
import ts from 'typescript'
import { enclosing, parse, unknown, walk, wordsAt } from './literal-words.mjs'

const matchers = /(\.to[A-Z]\w*|^expect\.\w+|Error)$/

/** Lines of a `.script` that hold commands. */
export function linesOfScript(path, text) {
  return text
    .split('\n')
    .map((line, index) => ({ text: line, where: `${path}:${index + 1}` }))
    .filter(({ text: line }) => !/^\s*(#|>|<)/.test(line))
}

/** Texts of a program in which one of `names` is called. */
export function linesOfProgram(path, text, names) {
  const mentions = new RegExp(`(?:^|[^\\w-])(?:${names.join('|')})(?![\\w-])|\\$\\{`)
  const file = parse(path, text)
  return literalsOf(file, (node) => isText(node) && mentions.test(node.getText())).flatMap((node) =>
    wordsAt(node, file).map(([said]) => ({
      text: said.replaceAll(unknown, 'UNKNOWN'),
      where: placeOf(node, path, file),
    })),
  )
}

/** Lists of a test that could be arguments: arrays, and what a function is called with (`helper`: its name). */
export function listsOfTest(path, text) {
  const file = parse(path, text)
  return literalsOf(file, isList).flatMap((node) => {
    const call = ts.isCallExpression(node)
    const helper = call && ts.isIdentifier(node.expression) ? node.expression.text : undefined
    return wordsAt(call ? [...node.arguments] : node, file).map((words) => ({
      words: words.map((word) => (word === unknown ? 'UNKNOWN' : word)),
      helper,
      where: placeOf(node, path, file),
    }))
  })
}

function literalsOf(file, fits) {
  const found = []
  walk(file, (node) => {
    if (fits(node) && !isExpected(node)) found.push(node)
  })
  return found
}

function isText(node) {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)
}

function isList(node) {
  return (
    (ts.isArrayLiteralExpression(node) && node.elements.length > 0) ||
    (ts.isCallExpression(node) && node.arguments.length > 0)
  )
}

/** What a matcher compares with runs nothing. */
function isExpected(node) {
  if (isMatcher(node)) return true
  return enclosing(node, (each) => isMatcher(each.parent) && each.parent.expression !== each)
}

function isMatcher(node) {
  return node && ts.isCallExpression(node) && matchers.test(node.expression.getText().slice(-60))
}

function placeOf(node, path, file) {
  return `${path}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
}
