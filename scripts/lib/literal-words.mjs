/**
 * What a test or program would say at one place: the words of a list or text with everything put in that the file itself
 * tells. Names stand for what they were declared as, a helper's parameters for what each of its callers gives, an element of a
 * loop for each one of its table in turn. What cannot be told is one unknown word.
 */
import ts from 'typescript'

/** Stands for a word that only a run knows. */
export const unknown = '\u0000'

/** Enough for every table of a test; a list put together from several of them may be cut. */
const mostAlternatives = 64
const deepest = 16
const deepestProperty = 4
/** Helpers that call helpers. */
const mostCallers = 4
const ownArguments = new Set(['concat', 'push'])
const callbacks = new Set(['map', 'flatMap', 'forEach'])

export function parse(path, text) {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
}

/** Every way in which the words of `node` (a list of nodes: one after the other) can come out. */
export function wordsAt(node, file) {
  const reader = new Reader(file)
  const nodes = Array.isArray(node) ? node : [node]
  const inside = nodes[0]
  if (inside === undefined) return [[]]
  return unique(
    reader.contextsOf(inside, mostCallers).flatMap((context) => reader.sequence(nodes, context)),
  )
}

class Reader {
  constructor(file) {
    this.file = file
    this.indexes = file.indexes ??= indexOf(file)
  }

  /** The values of parameters around `node`: one map a call of the helper that it stands in. */
  contextsOf(node, depth) {
    const helper = enclosing(node, (each) => ts.isFunctionLike(each) && nameOf(each) !== undefined)
    if (helper === undefined || depth === 0) return [new Map()]
    const calls = (this.indexes.calls.get(nameOf(helper)) ?? []).filter(
      (call) => declarationOf(call.expression) === helper,
    )
    if (calls.length === 0) return this.contextsOf(helper.parent, depth - 1)
    return calls
      .flatMap((call) =>
        this.contextsOf(call, depth - 1).map((outer) => bind(helper, call.arguments, outer)),
      )
      .slice(0, mostAlternatives)
  }

  sequence(nodes, context, depth = deepest) {
    return nodes.reduce((soFar, node) => product(soFar, this.words(node, context, depth)), [[]])
  }

  words(node, context, depth = deepest) {
    if (depth === 0) return [[unknown]]
    const next = (each, at = context) => this.words(each, at, depth - 1)
    if (ts.isStringLiteralLike(node)) return [[node.text]]
    if (ts.isTemplateExpression(node)) return this.template(node, context, depth - 1)
    if (ts.isArrayLiteralExpression(node)) return this.sequence(node.elements, context, depth - 1)
    if (ts.isIdentifier(node)) return this.named(node, context, depth - 1)
    if (ts.isConditionalExpression(node))
      return unique([...next(node.whenTrue), ...next(node.whenFalse)])
    if (ts.isBinaryExpression(node)) return this.operation(node, context, depth - 1)
    if (ts.isCallExpression(node)) return this.call(node, context, depth - 1)
    if (ts.isPropertyAccessExpression(node)) return this.property(node, context, depth - 1)
    if (ts.isObjectLiteralExpression(node) || ts.isFunctionLike(node)) return [[]]
    // A spread, `await`, parentheses, `as const` and the like stand for what they hold.
    return node.expression === undefined ? [[unknown]] : next(node.expression)
  }

  template(node, context, depth) {
    const parts = [
      node.head,
      ...node.templateSpans.flatMap((span) => [span.expression, span.literal]),
    ]
    return parts.reduce(
      (soFar, part) => {
        const texts = ts.isTemplateLiteralToken(part)
          ? [part.text]
          : this.words(part, context, depth).map((words) => words.join(' '))
        return product(
          soFar,
          texts.map((text) => [text]),
        ).map((pair) => [pair.join('')])
      },
      [['']],
    )
  }

  operation(node, context, depth) {
    const [left, right] = [node.left, node.right].map((side) => this.words(side, context, depth))
    if (node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return unique([...left, ...right])
    return product(left, right).map((words) => [words.join('')])
  }

  call(node, context, depth) {
    const { expression: callee } = node
    if (ts.isPropertyAccessExpression(callee)) {
      const given = node.arguments[0]
      if (callbacks.has(callee.name.text) && given && ts.isFunctionLike(given))
        return this.results(given, context, depth)
      const own = this.words(callee.expression, context, depth)
      if (!ownArguments.has(callee.name.text)) return own
      return product(own, this.sequence(node.arguments, context, depth))
    }
    const helper = declarationOf(callee)
    if (helper === undefined) return [[unknown]]
    return this.results(helper, bind(helper, node.arguments, context), depth)
  }

  /** What a helper gives back. */
  results(helper, context, depth) {
    const results = ts.isBlock(helper.body) ? returnsOf(helper.body) : [helper.body]
    return unique(results.flatMap((result) => this.words(result, context, depth)))
  }

  /** `this.setup`: what the file gives to any property of this name. */
  property(node, context, depth) {
    const values = this.indexes.properties.get(node.name.text) ?? []
    if (values.length === 0) return [[unknown]]
    // Properties of one name hold each other (`home: stack.home`): not far.
    const left = Math.min(depth, deepestProperty)
    return unique(values.flatMap((value) => this.words(value, context, left)))
  }

  named(node, context, depth) {
    const { declaration, path } = bindingOf(node) ?? {}
    const sources = declaration ? this.sources(declaration, context) : []
    if (sources.length === 0) return [[unknown]]
    return unique(
      sources.flatMap(({ expressions, context: at }) =>
        this.projected(expressions, path, at, depth),
      ),
    )
  }

  /** Expressions whose value the name was declared with. */
  sources(declaration, context) {
    if (ts.isParameter(declaration)) {
      const bound = context.get(declaration)
      if (bound) return [bound]
      return tableOf(declaration).map((one) => ({ expressions: [one], context }))
    }
    const loop = declaration.parent?.parent
    if (loop && ts.isForOfStatement(loop))
      return elementsOf(loop.expression).map((one) => ({ expressions: [one], context }))
    return declaration.initializer ? [{ expressions: [declaration.initializer], context }] : []
  }

  projected(expressions, path, context, depth) {
    const [step, ...rest] = path
    if (step === undefined) return this.sequence(expressions, context, depth)
    return unique(
      expressions.flatMap((expression) => {
        const value = literalOf(expression, context)
        const parts = value === undefined ? [] : take(value, step)
        return parts.length === 0 ? [[unknown]] : this.projected(parts, rest, context, depth - 1)
      }),
    )
  }
}

function bind(helper, given, outer) {
  const context = new Map(outer)
  helper.parameters.forEach((parameter, index) => {
    const expressions = parameter.dotDotDotToken
      ? given.slice(index)
      : given.slice(index, index + 1)
    const initial = parameter.initializer && expressions.length === 0 ? [parameter.initializer] : []
    context.set(parameter, { expressions: [...expressions, ...initial], context: outer })
  })
  return context
}

/** The part of a literal that one step of a destructuring names. */
function take(value, { name, index, rest }) {
  if (name !== undefined && ts.isObjectLiteralExpression(value)) {
    const property = value.properties.find((each) => each.name?.getText() === name)
    if (property && ts.isShorthandPropertyAssignment(property)) return [property.name]
    return property?.initializer ? [property.initializer] : []
  }
  if (index === undefined || !ts.isArrayLiteralExpression(value)) return []
  return value.elements.slice(index, rest ? undefined : index + 1)
}

function literalOf(expression, context) {
  if (ts.isObjectLiteralExpression(expression) || ts.isArrayLiteralExpression(expression))
    return expression
  if (!ts.isIdentifier(expression))
    return expression.expression && !ts.isCallExpression(expression)
      ? literalOf(expression.expression, context)
      : undefined
  const { declaration, path } = bindingOf(expression) ?? {}
  if (declaration === undefined || path.length > 0) return undefined
  const bound = context.get(declaration)
  if (bound)
    return bound.expressions.length === 1
      ? literalOf(bound.expressions[0], bound.context)
      : undefined
  return declaration.initializer && literalOf(declaration.initializer, context)
}

/** What a table's callback is called with: `rows.map((row) => …)`, `test.each(rows)('…', (one, two) => …)`. */
function tableOf(parameter) {
  const callback = parameter.parent
  const call = callback.parent
  if (!ts.isCallExpression(call) || !call.arguments.includes(callback)) return []
  if (ts.isPropertyAccessExpression(call.expression)) return elementsOf(call.expression.expression)
  if (!ts.isCallExpression(call.expression)) return []
  const index = callback.parameters.indexOf(parameter)
  return elementsOf(call.expression.arguments[0]).flatMap((row) => {
    const cells = literalOf(row, new Map())
    if (cells === undefined || !ts.isArrayLiteralExpression(cells)) return index === 0 ? [row] : []
    return cells.elements.slice(index, index + 1)
  })
}

function elementsOf(table) {
  if (table === undefined) return []
  const value = literalOf(table, new Map())
  return value && ts.isArrayLiteralExpression(value) ? [...value.elements] : []
}

/** The declaration of a name as seen from where it is used, and the way to it through a destructuring. */
function bindingOf(use) {
  for (let at = use.parent, from = use; at; from = at, at = at.parent) {
    const found = namesIn(at, from).find(({ name }) => name === use.text)
    if (found) return found
  }
  return undefined
}

function namesIn(node, from) {
  if (ts.isFunctionLike(node)) return node.parameters.flatMap((each) => bindingsIn(each, each.name))
  if (ts.isForOfStatement(node) && ts.isVariableDeclarationList(node.initializer))
    return from === node.expression ? [] : declarationsIn(node.initializer)
  if (!ts.isBlock(node) && !ts.isSourceFile(node)) return []
  return node.statements.flatMap((each) => {
    if (ts.isVariableStatement(each)) return declarationsIn(each.declarationList)
    return ts.isFunctionDeclaration(each) && each.name
      ? [{ name: each.name.text, declaration: each, path: [] }]
      : []
  })
}

function declarationsIn({ declarations }) {
  return declarations.flatMap((each) => bindingsIn(each, each.name))
}

function bindingsIn(declaration, name, path = []) {
  if (ts.isIdentifier(name)) return [{ name: name.text, declaration, path }]
  return name.elements.filter(ts.isBindingElement).flatMap((element) => {
    const step = ts.isArrayBindingPattern(name)
      ? { index: name.elements.indexOf(element), rest: Boolean(element.dotDotDotToken) }
      : { name: (element.propertyName ?? element.name).getText() }
    return bindingsIn(declaration, element.name, [...path, step])
  })
}

/** The function of this file that an expression names. */
function declarationOf(callee) {
  if (!ts.isIdentifier(callee)) return undefined
  const { declaration, path } = bindingOf(callee) ?? {}
  if (declaration === undefined || path.length > 0) return undefined
  if (ts.isFunctionDeclaration(declaration)) return declaration.body ? declaration : undefined
  const { initializer } = declaration
  return initializer && ts.isFunctionLike(initializer) ? initializer : undefined
}

/** Functions and values by the names that they are called and read by. */
function indexOf(file) {
  const calls = new Map()
  const properties = new Map()
  const add = (map, name, value) => map.set(name, [...(map.get(name) ?? []), value])
  walk(file, (node) => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression))
      add(calls, node.expression.text, node)
    if (ts.isPropertyAssignment(node)) add(properties, node.name.getText(), node.initializer)
    if (isGiven(node)) add(properties, node.left.name.text, node.right)
  })
  return { calls, properties }
}

function isGiven(node) {
  return (
    ts.isBinaryExpression(node) &&
    node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
    ts.isPropertyAccessExpression(node.left)
  )
}

function nameOf(helper) {
  if (ts.isFunctionDeclaration(helper)) return helper.name?.text
  return ts.isVariableDeclaration(helper.parent) && ts.isIdentifier(helper.parent.name)
    ? helper.parent.name.text
    : undefined
}

function returnsOf(body) {
  const found = []
  walk(body, (node) => {
    if (ts.isReturnStatement(node) && node.expression) found.push(node.expression)
  })
  return found
}

export function walk(node, visit) {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

export function enclosing(node, fits) {
  let at = node
  while (at && !fits(at)) at = at.parent
  return at
}

function product(left, right) {
  return left.flatMap((a) => right.map((b) => [...a, ...b])).slice(0, mostAlternatives)
}

function unique(alternatives) {
  const seen = new Map(alternatives.map((words) => [words.join('\u0001'), words]))
  return [...seen.values()].slice(0, mostAlternatives)
}
