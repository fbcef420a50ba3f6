/** Several configuration files as one set of values: later files override earlier ones, `final` ones stay, `${…}` is filled in. */
import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { parseHadoopXml, xmlFault } from './hadoop-xml.js'

export interface Value {
  /** With `${…}` filled in. */
  readonly text: string
  /** Its name, or `environment`. */
  readonly file: string
  /** From 1; 0 where the place has no lines. */
  readonly line: number
  /** The variable of an old installation that says it under another name. */
  readonly variable?: string
}

export type Configuration = ReadonlyMap<string, Value>

/** As messages name it. */
export function placeOf({ file, line }: Pick<Value, 'file' | 'line'>): string {
  return line === 0 ? file : `${file}:${line}`
}

type Environment = Readonly<Record<string, string | undefined>>

interface Raw extends Value {
  readonly final: boolean
}

const maxIncludes = 16
/** As Hadoop: a value that still refers to others after so many rounds stays as it is. */
const maxSubstitutions = 20

/**
 * Reads the files that exist, in order. A missing one is as an empty one.
 * @throws ERR_SETTINGS for a file that cannot be read or understood, with line and column.
 */
export async function readConfiguration(
  paths: readonly string[],
  env: Environment,
): Promise<Configuration> {
  const raw = new Map<string, Raw>()
  for (const path of paths) await addFile(raw, path, [])
  return substitute(raw, env)
}

/** The configuration of texts instead of files: `xi:include` is not followed. */
export function toConfiguration(text: string, file: string, env: Environment = {}): Configuration {
  const raw = new Map<string, Raw>()
  for (const item of parseHadoopXml(text, file)) if ('name' in item) add(raw, item, file)
  return substitute(raw, env)
}

async function addFile(
  raw: Map<string, Raw>,
  path: string,
  trail: readonly string[],
): Promise<void> {
  const file = path.slice(path.lastIndexOf('/') + 1)
  if (trail.includes(path) || trail.length >= maxIncludes)
    throw new DomainError('ERR_SETTINGS', `${file} includes itself`)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && trail.length === 0) return undefined
    throw new DomainError('ERR_SETTINGS', `${file} cannot be read`, { cause: error })
  })
  if (text === undefined) return
  for (const item of parseHadoopXml(text, file)) {
    if ('name' in item) add(raw, item, file)
    else await addFile(raw, resolveInclude(path, item.include, item.line), [...trail, path])
  }
}

function resolveInclude(path: string, include: string, line: number): string {
  const local = include.replace(/^file:(\/\/)?/, '')
  if (/^[a-z]+:/.test(local))
    throw xmlFault(path, { field: 'xi:include', rule: 'must name a local file', line })
  return isAbsolute(local) ? local : join(dirname(path), local)
}

function add(
  raw: Map<string, Raw>,
  item: {
    readonly name: string
    readonly value: string
    readonly final: boolean
    readonly line: number
  },
  file: string,
): void {
  if (raw.get(item.name)?.final === true) return
  raw.set(item.name, { text: item.value, file, line: item.line, final: item.final })
}

function substitute(raw: ReadonlyMap<string, Raw>, env: Environment): Configuration {
  const resolve = (name: string) =>
    name.startsWith('env.') ? resolveEnvironment(name.slice(4), env) : raw.get(name)?.text
  return new Map(
    [...raw].map(([name, { text, file, line }]) => {
      let filled = text
      for (let round = 0; round < maxSubstitutions && filled.includes('${'); round += 1) {
        const next = filled.replace(
          /\$\{([^}$\s]+)\}/g,
          (whole, inner: string) => resolve(inner) ?? whole,
        )
        if (next === filled || next.length > 1024 * 1024) break
        filled = next
      }
      return [name, { text: filled, file, line }]
    }),
  )
}

/** `X`, `X-default` (unset) or `X:-default` (unset or empty). */
function resolveEnvironment(text: string, env: Environment): string | undefined {
  const [, name = '', operator, fallback] = /^([A-Za-z_]\w*)(:?-)?(.*)$/.exec(text) ?? []
  const value = env[name]
  if (operator === undefined) return value
  return value === undefined || (operator === ':-' && value === '') ? fallback : value
}
