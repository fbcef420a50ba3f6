/** A client's folder as one encrypted file: its keys, its certificate and what it trusts. */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { DomainError } from '@keyhsm/core'
import {
  type AgeKey,
  type AgeReaders,
  decryptStream,
  encryptStream,
} from '../sealing/age-stream.js'
import { makePrivateFolder, writePrivateFile } from './private-files.js'

const format = 'keytrustee-client-1'
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const maxBytes = 16 * 1024 * 1024

/** The encrypted form of every file in `folder`. @throws ERR_SETTINGS when nothing is registered there. */
export async function backUpClient(folder: string, readers: AgeReaders): Promise<Buffer> {
  const files: Record<string, string> = {}
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries)
    if (entry.isFile() && namePattern.test(entry.name) && !entry.name.endsWith('.tmp'))
      files[entry.name] = await readFile(join(folder, entry.name), 'base64')
  if (files['client.json'] === undefined)
    throw new DomainError(
      'ERR_SETTINGS',
      'this client is not registered: there is nothing to back up',
    )
  const plain = Buffer.from(JSON.stringify({ format, files }))
  return collect(await encryptStream(Readable.from([plain]), readers))
}

/**
 * Writes the files of a backup into a folder that is empty, or not there. The settings come last: without them it is no client.
 * @throws ERR_ALREADY_EXISTS, ERR_NOT_ALLOWED for another identity or passphrase, ERR_INTEGRITY; nothing is written then.
 */
export async function restoreClient(
  folder: string,
  sealed: Buffer,
  key: AgeKey,
): Promise<readonly string[]> {
  const present = await readdir(folder).catch(() => [])
  if (present.length > 0)
    throw new DomainError('ERR_ALREADY_EXISTS', 'there is a client already: nothing was changed', {
      hints: ['restore into another home: --home DIR', 'or move this one away first'],
    })
  const files = parseFiles(await collect(await decryptStream(Readable.from([sealed]), key)))
  await mkdir(join(folder, '..'), { recursive: true })
  await makePrivateFolder(folder)
  const others = [...files.keys()].filter((name) => name !== 'client.json').sort()
  const names = [...others, 'client.json']
  for (const name of names) await writePrivateFile(join(folder, name), files.get(name) ?? '')
  return names
}

function parseFiles(plain: Buffer): ReadonlyMap<string, Buffer> {
  try {
    const { format: found, files } = JSON.parse(plain.toString('utf8')) as Record<string, unknown>
    const entries = Object.entries(files as Record<string, string>)
    const named = entries.every(([name]) => namePattern.test(name))
    if (found === format && named && entries.some(([name]) => name === 'client.json'))
      return new Map(entries.map(([name, text]) => [name, Buffer.from(text, 'base64')]))
  } catch {
    // Falls through to the one error.
  }
  throw new DomainError('ERR_INTEGRITY', 'this is no backup of a client')
}

async function collect(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of stream) {
    size += (part as Uint8Array).length
    if (size > maxBytes)
      throw new DomainError('ERR_TOO_LARGE', 'a client’s backup is not this large')
    parts.push(Buffer.from(part as Uint8Array))
  }
  return Buffer.concat(parts)
}
