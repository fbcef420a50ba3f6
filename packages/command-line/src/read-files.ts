/** Input files are read first, as whoever started the program: after privileges are dropped they may be out of reach. */
import { open } from 'node:fs/promises'
import { DomainError, invalidInput } from '@keyhsm/core'
import type { Call } from './grammar.js'
import type { Io } from './records.js'

/** Above this a file or standard input is refused unless the record says another `maxBytes`. */
export const defaultMaxFileBytes = 32 * 1024 * 1024

interface Wanted {
  /** As the user wrote it: `--pin-file` or `FILE`. */
  readonly field: string
  readonly key: string
  readonly path: string
  readonly maxBytes: number
  readonly secret: boolean
}

/**
 * Reads every file argument and option of a call, `-` being standard input.
 * @throws ERR_INVALID_INPUT naming the argument when a file cannot be read or two want standard input;
 * ERR_TOO_LARGE above the limit.
 */
export async function readFiles(call: Call, io: Io): Promise<Record<string, Buffer>> {
  const wanted = findWanted(call)
  const fromStdin = wanted.filter((file) => file.path === '-')
  if (fromStdin.length > 1)
    throw invalidInput(fromStdin.map((file) => file.field).join(', '), 'cannot all be "-"')
  const files: Record<string, Buffer> = {}
  for (const file of wanted) files[file.key] = await readOne(file, io)
  return files
}

function findWanted({ command, args, options }: Call): Wanted[] {
  const wanted: Wanted[] = []
  const want = (key: string, field: string, record: { maxBytes?: number; secret?: true }) => {
    const path = args[key] ?? options[key]
    if (typeof path !== 'string') return
    const maxBytes = record.maxBytes ?? defaultMaxFileBytes
    wanted.push({ field, key, path, maxBytes, secret: record.secret === true })
  }
  for (const argument of command.arguments ?? [])
    if (argument.file) want(argument.name, argument.name, argument)
  for (const option of command.options ?? [])
    if (option.file) want(option.flag, `--${option.flag}`, option)
  return wanted
}

async function readOne(file: Wanted, io: Io): Promise<Buffer> {
  if (file.path !== '-') return await readPath(file)
  if (file.secret && io.isTerminal) return Buffer.from(await io.askSecret(`${file.field}: `))
  return await readAll(io.stdin, file.maxBytes, file.field)
}

async function readPath({ path, field, maxBytes }: Wanted): Promise<Buffer> {
  try {
    const file = await open(path, 'r')
    return await readAll(file.createReadStream(), maxBytes, field)
  } catch (error) {
    if (error instanceof DomainError) throw error
    const reason = fileReasons[(error as NodeJS.ErrnoException).code ?? ''] ?? 'cannot be read'
    throw invalidInput(field, `${reason}: ${path}`)
  }
}

const fileReasons: Readonly<Record<string, string>> = {
  ENOENT: 'names a file that does not exist',
  EACCES: 'names a file that may not be read',
  EPERM: 'names a file that may not be read',
  EISDIR: 'names a directory',
  ENOTDIR: 'names a file that does not exist',
}

/** Everything `stream` gives, at most `maxBytes`. @throws ERR_TOO_LARGE naming `field`, as soon as it is more. */
export async function readAll(
  stream: NodeJS.ReadableStream,
  maxBytes: number,
  field: string,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > maxBytes) throw tooLarge(field, maxBytes)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks, length)
}

/** The one error for input above its limit. */
export function tooLarge(field: string, maxBytes: number): DomainError {
  const rule = `must be at most ${maxBytes} bytes`
  return new DomainError('ERR_TOO_LARGE', `${field} ${rule}`, { faults: [{ field, rule }] })
}
