/** `conf/logback.xml` as text → where, how and what the log writes, or every fault with its line and column. */
import type {
  Appender,
  FixedWindow,
  LogConfiguration,
  LoggerConfiguration,
} from '../configuration.js'
import type { LogThreshold } from '../levels.js'
import { type LogPattern, parsePattern } from '../pattern.js'
import { parseXml, XmlFault, type XmlElement } from '../xml.js'
import { appenderClasses, consoleAppender, defaults, parseLevel } from './components.js'
import { type LogProblem, Problems } from './problems.js'
import {
  checkAttributes,
  checkText,
  type Component,
  readComponent,
  type Reader,
} from './read-component.js'
import { Variables } from './variables.js'

export interface LogbackResult {
  /** Absent when a problem is an error. */
  readonly configuration?: LogConfiguration
  readonly problems: readonly LogProblem[]
}

/** What has been read so far. */
interface Draft {
  readonly appenders: Appender[]
  readonly names: Set<string>
  readonly loggers: LoggerConfiguration[]
  root?: LogConfiguration['root']
}

type Action = (reader: Reader, element: XmlElement, draft: Draft) => void

const actions: Readonly<Record<string, Action>> = {
  property: readVariable,
  variable: readVariable,
  appender: readAppender,
  logger: readLogger,
  root: readRoot,
}

/** @param directory where relative paths begin. Never throws. */
export function readLogback(
  text: string,
  { directory }: { readonly directory: string },
): LogbackResult {
  const problems = new Problems()
  try {
    const configuration = readDocument(parseXml(text), {
      problems,
      variables: new Variables(problems),
      directory,
    })
    return problems.failed || !configuration
      ? { problems: problems.list }
      : { configuration, problems: problems.list }
  } catch (error) {
    if (!(error instanceof XmlFault)) throw error
    problems.error(error.place, `the XML is not well formed: ${error.message}`)
    return { problems: problems.list }
  }
}

function readDocument(top: readonly XmlElement[], reader: Reader): LogConfiguration | undefined {
  const [first] = top
  if (!first) return reader.problems.error({ line: 1, column: 1 }, 'there is no [configuration]')
  if (top.length === 1 && first.name === 'configuration') {
    checkConfiguration(reader, first)
    return readParts(first.children, reader, first)
  }
  const strange = top.filter(({ name }) => !Object.hasOwn(actions, name))
  for (const element of strange) reader.problems.notApplicable(element, [])
  if (strange.length > 0) return undefined
  reader.problems.warn(
    first,
    '[configuration] around the elements is missing; they are read as if it were there',
  )
  return readParts(top, reader, first)
}

/** Attributes of logback that change nothing here, with the value that says so. */
const harmless: Readonly<Record<string, string>> = {
  debug: 'false',
  scan: 'false',
  packagingData: 'false',
}

function checkConfiguration({ problems }: Reader, element: XmlElement): void {
  checkAttributes(problems, element, Object.keys(harmless))
  for (const [name, value] of Object.entries(harmless)) {
    const given = element.attributes[name]
    if (given !== undefined && given.toLowerCase() !== value) {
      problems.error(
        element,
        `[configuration] ${name}="${given}" is not supported; changes take effect on reload`,
      )
    }
  }
  checkText(problems, element)
}

function readParts(
  elements: readonly XmlElement[],
  reader: Reader,
  top: XmlElement,
): LogConfiguration | undefined {
  const draft: Draft = { appenders: [], names: new Set(), loggers: [] }
  for (const element of elements) {
    const action = Object.hasOwn(actions, element.name) ? actions[element.name] : undefined
    if (action) action(reader, element, draft)
    else reader.problems.notApplicable(element, ['configuration'])
  }
  const { appenders, loggers, root } = draft
  if (!root) return reader.problems.error(top, '[configuration] has no [root]')
  checkFiles(reader, top, appenders)
  return { appenders, root, loggers }
}

/** Two appenders that roll one file would lose each other's lines. */
function checkFiles({ problems }: Reader, top: XmlElement, appenders: readonly Appender[]): void {
  const files = appenders.flatMap((appender) => (appender.kind === 'file' ? [appender.file] : []))
  const twice = files.find((file, index) => files.indexOf(file) !== index)
  if (twice !== undefined) problems.error(top, `two appenders write the file [${twice}]`)
}

function readVariable({ problems, variables }: Reader, element: XmlElement): void {
  checkAttributes(problems, element, ['name', 'value'])
  const { name, value } = element.attributes
  if (name === undefined || value === undefined) {
    problems.error(element, `[${element.name}] needs the attributes [name] and [value]`)
  } else variables.set(name, variables.replace(value, element))
}

function readAppender(reader: Reader, element: XmlElement, draft: Draft): void {
  const { problems } = reader
  checkAttributes(problems, element, ['name', 'class'])
  const { name } = element.attributes
  if (name === undefined || name === '') return problems.error(element, '[appender] has no name')
  if (draft.names.has(name)) return problems.error(element, `the appender [${name}] is given twice`)
  draft.names.add(name)
  const component = readComponent(reader, element, { classes: appenderClasses }, ['configuration'])
  const appender = component && toAppender(reader, name, component)
  if (appender) draft.appenders.push(appender)
}

function toAppender(reader: Reader, name: string, component: Component): Appender | undefined {
  const { spec, parts, values } = component
  const pattern = readPattern(reader, parts['encoder'])
  const threshold = (parts['filter']?.values['level'] as LogThreshold | undefined) ?? 'debug'
  const common = { name, pattern, threshold }
  if (spec === consoleAppender) {
    return {
      kind: 'console',
      stream: values['target'] === 'System.err' ? 'stderr' : 'stdout',
      ...common,
    }
  }
  const { file } = values
  if (typeof file !== 'string') return undefined
  const window = readWindow(reader, component)
  return { kind: 'file', file, ...(window ? { window } : {}), ...common }
}

function readPattern({ problems }: Reader, encoder: Component | undefined): LogPattern {
  const pattern = encoder?.values['pattern'] as LogPattern | undefined
  if (encoder && pattern && !/%n\b|\\n$/.test(pattern.text)) {
    problems.warn(encoder.element, `the pattern [${pattern.text}] has no %n: lines run together`)
  }
  return pattern ?? parsePattern(defaults.pattern)
}

function readWindow({ problems }: Reader, { parts, values }: Component): FixedWindow | undefined {
  const policy = parts['rollingPolicy']
  const fileNamePattern = policy?.values['fileNamePattern']
  if (!policy || typeof fileNamePattern !== 'string') return undefined
  const { minIndex, maxIndex } = { ...defaults, ...definedNumbers(policy.values) }
  if (minIndex > maxIndex) {
    problems.error(policy.element, `[minIndex] ${minIndex} is larger than [maxIndex] ${maxIndex}`)
  }
  const maxBytes = Number(parts['triggeringPolicy']?.values['maxFileSize'] ?? defaults.maxFileSize)
  const window = { fileNamePattern, minIndex, maxIndex, maxBytes }
  if (fileNamePattern.replace('%i', String(minIndex)) === values['file']) {
    problems.error(policy.element, '[fileNamePattern] gives the name of the file itself')
  }
  return window
}

function definedNumbers(
  values: Component['values'],
): Partial<Record<'minIndex' | 'maxIndex', number>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value === 'number'))
}

function readLogger(reader: Reader, element: XmlElement, draft: Draft): void {
  const { problems } = reader
  checkAttributes(problems, element, ['name', 'level', 'additivity'])
  const { name, additivity = 'true' } = element.attributes
  if (name === undefined || name === '') return problems.error(element, '[logger] has no name')
  if (!/^(true|false)$/i.test(additivity)) {
    problems.error(element, `[logger] additivity="${additivity}" is neither true nor false`)
  }
  const level = readLevel(reader, element)
  draft.loggers.push({
    name,
    ...(level === undefined ? {} : { level }),
    additive: additivity.toLowerCase() !== 'false',
    appenders: readReferences(reader, element, draft),
  })
}

function readRoot(reader: Reader, element: XmlElement, draft: Draft): void {
  const { problems } = reader
  checkAttributes(problems, element, ['level'])
  if (draft.root) return problems.error(element, '[root] is given twice')
  const appenders = readReferences(reader, element, draft)
  if (appenders.length === 0) problems.warn(element, '[root] names no appender: nothing is logged')
  // Without a level logback's root has DEBUG.
  draft.root = { level: readLevel(reader, element) ?? 'debug', appenders }
}

function readLevel({ problems, variables }: Reader, element: XmlElement): LogThreshold | undefined {
  const given = element.attributes['level']
  if (given === undefined) return undefined
  const text = variables.replace(given, element)
  if (element.name === 'logger' && /^(inherited|null)$/i.test(text)) return undefined
  const level = parseLevel(text)
  return (
    level ??
    problems.error(
      element,
      `[${element.name}] level="${text}" is no level; use error, warn, info or debug`,
    )
  )
}

function readReferences(reader: Reader, element: XmlElement, draft: Draft): string[] {
  const { problems } = reader
  const names: string[] = []
  checkText(problems, element)
  for (const child of element.children) {
    if (child.name !== 'appender-ref')
      problems.notApplicable(child, ['configuration', element.name])
    else names.push(...readReference(reader, child, draft))
  }
  return names
}

function readReference(
  { problems, variables }: Reader,
  element: XmlElement,
  { names }: Draft,
): string[] {
  checkAttributes(problems, element, ['ref'])
  const ref = variables.replace(element.attributes['ref'] ?? '', element)
  if (names.has(ref)) return [ref]
  problems.error(element, `no appender named [${ref}] stands above`)
  return []
}
