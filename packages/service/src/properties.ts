/**
 * Settings files in Java's .properties syntax: a schema per file, all faults told at once with their lines, and edits
 * that leave every other line as it is. A file's text is UTF-8.
 * @see java.util.Properties.load
 */
import { DomainError, type FieldFault } from '@keyhsm/core'
import { Properties } from 'properties-file/parser'
import { nearestName } from './nearest-name.js'
import { isSealed } from './settings-cipher.js'

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
  /** Comment above the line, in the file that set-up writes and in what `settings` prints. */
  readonly comment?: string
  /** A name of earlier files that is read as this one. */
  readonly formerly?: string
  /** The name ends with a dot and stands for every name that begins with it; the value is a record by the rest of the name. */
  readonly family?: true
}

export type SettingsSchema = Readonly<Record<string, SettingSpec<unknown>>>

type Present = { readonly default: string } | { readonly required: true }
type ValueOf<Spec> =
  Spec extends SettingSpec<infer Value>
    ? Spec extends { readonly family: true }
      ? Readonly<Record<string, Value>>
      : Spec extends Present
        ? Value
        : Value | undefined
    : never

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
  /** Lines of other names belong to another schema of the same file; absent: all are this one's. */
  readonly concerns?: (name: string) => boolean
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

/** Whether a line of this name belongs to the setting. */
function isNamed(spec: SettingSpec<unknown>, name: string): boolean {
  if (spec.family) return name.startsWith(spec.name) && name.length > spec.name.length
  return name === spec.name || name === spec.formerly
}

function findStrangers(
  lines: readonly SettingLine[],
  specs: readonly SettingSpec<unknown>[],
): FieldFault[] {
  const names = specs.map(({ name }) => name)
  return lines.flatMap((at) => {
    if (specs.some((spec) => isNamed(spec, at.name))) return []
    const nearest = nearestName(at.name, names)
    return [lineFault(at, `is no setting${nearest ? `; did you mean ${nearest}?` : ''}`)]
  })
}

function findRepeated(
  lines: readonly SettingLine[],
  specs: readonly SettingSpec<unknown>[],
): FieldFault[] {
  const first = new Map<string, number>()
  return lines.flatMap((at) => {
    const name = specs.find(({ formerly }) => formerly === at.name)?.name ?? at.name
    const before = first.get(name)
    if (before === undefined) first.set(name, at.line)
    return before === undefined ? [] : [lineFault(at, `stands in line ${before} already`)]
  })
}

function ruleOf(error: unknown, name: string): string {
  if (!(error instanceof DomainError)) throw error
  const rule = error.faults.find((fault) => fault.field === name)?.rule
  return rule ?? error.message
}

type Parsed = { readonly value: unknown } | { readonly faults: readonly FieldFault[] }

function parseValue(
  spec: SettingSpec<unknown>,
  at: SettingLine | undefined,
  options: ParseOptions,
): Parsed {
  if (at === undefined) return parseAbsent(spec)
  try {
    const open = spec.secret ? options.openSecret : undefined
    return { value: spec.parse(open ? open(at.name, at.text) : at.text, at.name) }
  } catch (error) {
    return { faults: [lineFault(at, ruleOf(error, at.name))] }
  }
}

function parseAbsent(spec: SettingSpec<unknown>): Parsed {
  const { name, default: text, required } = spec
  if (text === undefined) {
    return required ? { faults: [{ field: name, rule: 'is missing' }] } : { value: undefined }
  }
  try {
    return { value: spec.parse(text, name) }
  } catch (error) {
    return { faults: [{ field: name, rule: ruleOf(error, name) }] }
  }
}

function parseFamily(
  spec: SettingSpec<unknown>,
  lines: readonly SettingLine[],
  options: ParseOptions,
): Parsed {
  const parsed = lines.map((at) => ({ at, result: parseValue(spec, at, options) }))
  const faults = parsed.flatMap(({ result }) => ('faults' in result ? result.faults : []))
  if (faults.length > 0) return { faults }
  const entries = parsed.map(({ at, result }) => [
    at.name.slice(spec.name.length),
    'value' in result ? result.value : undefined,
  ])
  return { value: Object.fromEntries(entries) as unknown }
}

/** The error of a file with these faults, in the order of their lines. */
export function settingsError(file: string, faults: readonly FieldFault[]): DomainError {
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
  const specs = Object.values(schema)
  const lines = read.lines.filter(({ name }) => options.concerns?.(name) ?? true)
  const faults = [...findStrangers(lines, specs), ...findRepeated(lines, specs)]
  const values: Record<string, unknown> = {}
  for (const [key, spec] of Object.entries(schema)) {
    const own = lines.filter(({ name }) => isNamed(spec, name))
    const result = spec.family ? parseFamily(spec, own, options) : parseValue(spec, own[0], options)
    if ('value' in result) values[key] = result.value
    else faults.push(...result.faults)
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
  /** As it stands in the file; a secret only when it is sealed, else `[secret]`; undefined when absent without a default. */
  readonly text: string | undefined
  readonly isDefault: boolean
  readonly secret: boolean
  readonly comment?: string
}

/** Every setting of the schema in its order, with the text that holds. @throws ERR_SETTINGS for a malformed escape. */
export function listSettings(
  text: string,
  schema: SettingsSchema,
  file: string,
): readonly EffectiveSetting[] {
  const lines = readSettingLines(text, file)
  return Object.values(schema).flatMap((spec): readonly EffectiveSetting[] => {
    const own = lines.filter(({ name }) => isNamed(spec, name))
    const traits = {
      secret: spec.secret ?? false,
      ...(spec.comment === undefined ? {} : { comment: spec.comment }),
    }
    if (own.length > 0) {
      return own.map((at) => {
        const shown = spec.secret && !isSealed(at.text) ? '[secret]' : at.text
        return { name: at.name, text: shown, isDefault: false, ...traits }
      })
    }
    return spec.family ? [] : [{ name: spec.name, text: spec.default, isDefault: true, ...traits }]
  })
}
