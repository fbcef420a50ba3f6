/**
 * Secrets of commands: from a file or standard input, from the environment, or asked for without echo. An argument is
 * accepted only where the old product had one: others can read it in the process list.
 */
import { type DomainError, invalidInput } from '@keyhsm/core'
import type { Input, Io } from './records.js'

/** Where one secret may come from. */
export interface SecretSource {
  /** Old argument that holds the secret itself, without dashes. Its record says `deprecated`. */
  readonly flag?: string
  /** Option naming a file, without dashes. Its record says `file` and `secret`. */
  readonly fileFlag: string
  readonly env?: string
  /** What is asked for on a terminal, e.g. `Partition PIN`. */
  readonly prompt: string
  /** Asked twice, both answers must agree: for a secret that is being made. */
  readonly confirm?: true
}

/** @throws ERR_INVALID_INPUT when there is none and nobody can be asked, when it is empty, or given twice. */
export async function readSecret(input: Input, io: Io, source: SecretSource): Promise<string> {
  const given = findSecret(input, io, source)
  if (given !== undefined) return given
  if (!io.isTerminal) throw missing(source)
  const secret = await io.askSecret(`${source.prompt}: `)
  if (secret === '') throw invalidInput(source.prompt, 'must not be empty')
  if (source.confirm && (await io.askSecret(`${source.prompt} again: `)) !== secret)
    throw invalidInput(source.prompt, 'was not the same both times')
  return secret
}

/** As {@link readSecret}, but undefined when none was given; never asks. */
export function findSecret(
  input: Pick<Input, 'files' | 'options'>,
  io: Pick<Io, 'env'>,
  source: SecretSource,
): string | undefined {
  const file = input.files[source.fileFlag]
  const argument = source.flag === undefined ? undefined : input.options[source.flag]
  if (file !== undefined && argument !== undefined)
    throw invalidInput(`--${source.flag}`, `cannot be combined with --${source.fileFlag}`)
  if (file !== undefined) return notEmpty(firstLine(file), `--${source.fileFlag}`)
  if (typeof argument === 'string') return notEmpty(argument, `--${source.flag}`)
  const value = source.env === undefined ? undefined : io.env[source.env]
  return value === undefined || value === '' ? undefined : value
}

function missing(source: SecretSource): DomainError {
  const environment = source.env === undefined ? '' : ` or the environment variable ${source.env}`
  return invalidInput(`--${source.fileFlag}`, `is needed: give a file, "-"${environment}`)
}

/** Text of a secret file without one line end; a second line would be a mistake (a key file, say). */
function firstLine(file: Buffer): string {
  return file.toString('utf8').replace(/\r?\n$/, '')
}

function notEmpty(secret: string, field: string): string {
  if (secret === '') throw invalidInput(field, 'must not be empty')
  if (/[\n\r\0]/.test(secret)) throw invalidInput(field, 'must be one line')
  return secret
}
