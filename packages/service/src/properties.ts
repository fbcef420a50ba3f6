/**
 * Settings files in Java's .properties syntax: a schema per file, all faults told at once with their lines, and edits
 * that leave every other line as it is. A file's text is UTF-8.
 * @see java.util.Properties.load
 */
import { DomainError, type FieldFault } from '@keyhsm/core'
import { Properties } from 'properties-file/parser'
import { nearestName } from './nearest-name.js'

/** One setting: its name in the file and what its text means. */
export interface SettingSpec<Value> {
  /** Name in the file, e.g. `keyhsm.server.port`. */
  readonly name: string
  /** Text that stands for an absent line. */
  readonly default?: string
  /** `field` is the name. @throws ERR_INVALID_INPUT with the rule; never with the value of a secret. */
  parse(text: string, field: string): Value
  /** One line for the generated reference. */
  readonly describe: string
  /** Stands in the file sealed (`sealed:v1:…`), written by set-up only; never shown. */
  readonly secret?: boolean
  readonly required?: boolean
}

export type SettingsSchema = Readonly<Record<string, SettingSpec<unknown>>>

type Present = { readonly default: string } | { readonly required: true }
type ValueOf<Spec> =
  Spec extends SettingSpec<infer Value> ? (Spec extends Present ? Value : Value | undefined) : never

/** What a schema makes of a file: each value parsed; undefined for one that is absent without a default. */
export type SettingsOf<Schema extends SettingsSchema> = {
  readonly [Key in keyof Schema]: ValueOf<Schema[Key]>
}

/** Keeps the exact types of a schema, so that required settings are not optional in what is parsed. */
export function settingsSchema<const Schema extends SettingsSchema>(schema: Schema): Schema {
  return schema
}

/** A line of a settings file. */
export interface SettingLine {
  readonly name: string
  readonly text: string
  /** Counted from 1. */
  readonly line: number
}

export interface ParseOptions {
  /**
   * Opens the text of a secret setting. Without it the sealed text itself goes to the setting's parser.
   * @throws DomainError whose message becomes the fault of that line.
   */
  readonly openSecret?: (name: string, text: string) => string
}

interface Read {
  readonly lines: readonly SettingLine[]
  readonly faults: readonly FieldFault[]
}

const malformedUnicode = /(?<!\\)(?:\\\\)*\\u(?![0-9A-Fa-f]{4})/

function readLines(text: string): Read {
  const faults = text.split(/\r\n|\r|\n/).flatMap((line, i) => {
    const bad = !/^\s*[#!]/.test(line) && malformedUnicode.test(line)
    return bad
      ? [{ field: `line ${i + 1}`, rule: 'holds a malformed \\u escape', line: i + 1 }]
      : []
  })
  // The library throws for the whole text at the first such escape and does not say where.
  if (faults.length > 0) return { lines: [], faults }
  const lines = new Properties(text).getProperties().map((node) => ({
    name: node.key,
    text: node.value.trim(),
    line: node.startingLineNumber,
  }))
  return { lines, faults }
}

function lineFault(at: SettingLine, rule: string): FieldFault {
  return { field: at.name, rule, line: at.line }
}

function findStrangers(lines: readonly SettingLine[], names: readonly string[]): FieldFault[] {
  return lines.flatMap((at) => {
    if (names.includes(at.name)) return []
    const nearest = nearestName(at.name, names)
    return [lineFault(at, `is no setting${nearest ? `; did you mean ${nearest}?` : ''}`)]
  })
}

function findRepeated(lines: readonly SettingLine[]): FieldFault[] {
  const first = new Map<string, number>()
  return lines.flatMap((at) => {
    const before = first.get(at.name)
    if (before === undefined) first.set(at.name, at.line)
    return before === undefined ? [] : [lineFault(at, `stands in line ${before} already`)]
  })
}

function ruleOf(error: unknown, name: string): string {
  if (!(error instanceof DomainError)) throw error
  const rule = error.faults.find((fault) => fault.field === name)?.rule
  return rule ?? error.message
}

function parseValue(
  spec: SettingSpec<unknown>,
  at: SettingLine | undefined,
  options: ParseOptions,
): { value: unknown } | { fault: FieldFault } {
  const name = spec.name
  if (at === undefined && spec.default === undefined) {
    return spec.required ? { fault: { field: name, rule: 'is missing' } } : { value: undefined }
  }
  try {
    if (at === undefined) return { value: spec.parse(spec.default ?? '', name) }
    const open = spec.secret ? options.openSecret : undefined
    return { value: spec.parse(open ? open(name, at.text) : at.text, name) }
  } catch (error) {
    const rule = ruleOf(error, name)
    return { fault: at ? lineFault(at, rule) : { field: name, rule } }
  }
}

function settingsError(file: string, faults: readonly FieldFault[]): DomainError {
  const sorted = [...faults].sort((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity))
  const [only] = sorted
  if (only === undefined || sorted.length > 1) {
    return new DomainError('ERR_SETTINGS', `${file} has ${sorted.length} faults`, {
      faults: sorted,
    })
  }
  const where = only.line === undefined ? file : `${file} line ${only.line}`
  return new DomainError('ERR_SETTINGS', `${where}: ${only.field} ${only.rule}`, { faults: sorted })
}

/**
 * Parses a whole file. `file` is its name for messages, without a directory.
 * @throws ERR_SETTINGS with every fault of the file: bad values, unknown names (with the nearest known one), names that
 * stand there twice, missing ones.
 */
export function parseSettings<Schema extends SettingsSchema>(
  text: string,
  schema: Schema,
  file: string,
  options: ParseOptions = {},
): SettingsOf<Schema> {
  const read = readLines(text)
  if (read.faults.length > 0) throw settingsError(file, read.faults)
  const specs = Object.entries(schema)
  const names = specs.map(([, spec]) => spec.name)
  const faults = [...findStrangers(read.lines, names), ...findRepeated(read.lines)]
  const values: Record<string, unknown> = {}
  for (const [key, spec] of specs) {
    const at = read.lines.find((line) => line.name === spec.name)
    const result = parseValue(spec, at, options)
    if ('fault' in result) faults.push(result.fault)
    else values[key] = result.value
  }
  if (faults.length > 0) throw settingsError(file, faults)
  return values as SettingsOf<Schema>
}

/**
 * The lines of a file as they stand there, unchecked: to look at one setting before the schema is known.
 * @throws ERR_SETTINGS for a malformed escape.
 */
export function readSettingLines(text: string, file: string): readonly SettingLine[] {
  const read = readLines(text)
  if (read.faults.length > 0) throw settingsError(file, read.faults)
  return read.lines
}

/** A setting as `settings` commands print it. */
export interface EffectiveSetting {
  readonly name: string
  /** `[secret]` for a secret one; undefined when absent without a default. */
  readonly text: string | undefined
  readonly isDefault: boolean
}

/** Every setting of the schema in its order, with the text that holds. @throws ERR_SETTINGS for a malformed escape. */
export function listSettings(
  text: string,
  schema: SettingsSchema,
  file: string,
): readonly EffectiveSetting[] {
  const lines = readSettingLines(text, file)
  return Object.values(schema).map((spec) => {
    const at = lines.find((line) => line.name === spec.name)
    const held = at?.text ?? spec.default
    return {
      name: spec.name,
      text: spec.secret && held !== undefined ? '[secret]' : held,
      isDefault: at === undefined,
    }
  })
}
