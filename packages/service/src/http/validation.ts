/** Bad input by name and rule: what the schema compiler (ajv) reports, in our words. The offending value is never repeated. */
import { type DomainError, invalidInput } from '@keyhsm/core'
import type { RouteSpec } from '@keyhsm/protocol'

/** The part of ajv's error object that is read here. @see https://ajv.js.org/api.html#error-objects */
export interface SchemaFault {
  readonly keyword: string
  /** JSON pointer. */
  readonly instancePath: string
  readonly params: Readonly<Record<string, unknown>>
}

type Params = SchemaFault['params']

const article = (noun: unknown): string =>
  `${/^[aeiou]/.test(String(noun)) ? 'an' : 'a'} ${String(noun)}`

/** ajv keyword → rule. A keyword that is missing here reads `is not valid`. */
const rules: Readonly<Record<string, (params: Params) => string>> = {
  required: () => 'is required',
  additionalProperties: () => 'is not a known field',
  type: ({ type }) => `must be ${article(type)}`,
  pattern: ({ pattern }) => `must match ${String(pattern)}`,
  minLength: ({ limit }) => `must be at least ${String(limit)} characters`,
  maxLength: ({ limit }) => `must be at most ${String(limit)} characters`,
  minimum: ({ limit }) => `must be at least ${String(limit)}`,
  maximum: ({ limit }) => `must be at most ${String(limit)}`,
  minItems: ({ limit }) => `must have at least ${String(limit)} items`,
  maxItems: ({ limit }) => `must have at most ${String(limit)} items`,
  enum: ({ allowedValues }) => `must be one of ${(allowedValues as unknown[]).join(', ')}`,
}

/** The first fault as ERR_INVALID_INPUT. `part` names the whole, where the whole is at fault: `body`, `query`, `path`. */
export function invalidRequest(faults: readonly SchemaFault[], part: string): DomainError {
  const [first] = faults
  if (first === undefined) return invalidInput(part, 'is not valid')
  if (first.keyword === 'const') return invalidInput(fieldOf(first, part), constRule(first, faults))
  const rule = rules[first.keyword]?.(first.params) ?? 'is not valid'
  return invalidInput(fieldOf(first, part), rule)
}

/** A union of literals reports each of them; together they are the list of what is allowed. */
function constRule(first: SchemaFault, faults: readonly SchemaFault[]): string {
  const allowed = faults
    .filter((fault) => fault.keyword === 'const' && fault.instancePath === first.instancePath)
    .map((fault) => String(fault.params.allowedValue))
  return allowed.length === 1 ? `must be ${allowed[0]}` : `must be one of ${allowed.join(', ')}`
}

/** `/puts/0/handle` → `puts[0].handle`; a missing or unknown field is named itself. */
function fieldOf(fault: SchemaFault, part: string): string {
  const named = fault.params.missingProperty ?? fault.params.additionalProperty
  const steps = fault.instancePath.split('/').slice(1)
  if (typeof named === 'string') steps.push(nameable(named))
  const path = steps.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`)).join('')
  return path.replace(/^\./, '') || part
}

/** An unknown field's name comes from the caller: repeated only when it looks like a name. */
function nameable(name: string): string {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(name) ? name : '(unnamed)'
}

/** Names of the query's fields that are whole numbers: the only values that are ever converted. */
export function integerFields(query: RouteSpec['query']): readonly string[] {
  const { properties = {} } = query as { properties?: Record<string, { type?: string }> }
  return Object.keys(properties).filter((name) => properties[name]?.type === 'integer')
}

/** The query with its whole numbers as numbers; anything that is not plain decimal stays text and fails the schema. */
export function withIntegers(query: object, fields: readonly string[]): Record<string, unknown> {
  const converted: Record<string, unknown> = { ...query }
  for (const field of fields) {
    const text = converted[field]
    if (typeof text === 'string' && /^-?\d{1,15}$/.test(text)) converted[field] = Number(text)
  }
  return converted
}
