/**
 * Which deposits were ordered to be unreadable for ever, in a file beside the database: a database restored from an older
 * backup brings them back as rows, but not to life. One JSON line an order, each with a MAC under `grant.key`.
 */
import { open, readFile, truncate } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { DomainError, type Uuid } from '@keyhsm/core'
import { syncDirectory } from '@keyhsm/service'
import { type Grants, macText, sameText } from '../grants.js'

export interface RevokedDeposit {
  readonly deposit: Uuid
  readonly organisation: Uuid
  readonly orderedBy: string
  /** ISO 8601. */
  readonly orderedAt: string
}

export interface RevocationLog {
  has(deposit: Uuid): boolean
  /** On disk when it resolves; a deposit that is known already is not written again. @throws ERR_UNAVAILABLE */
  record(revoked: RevokedDeposit): Promise<void>
  list(): readonly RevokedDeposit[]
}

/** @throws ERR_SETTINGS when a line is not one that this server wrote; a last line cut short by a crash is dropped. */
export async function openRevocationLog(file: string, grants: Grants): Promise<RevocationLog> {
  const { entries, bytes } = await readLines(file, grants)
  const known = new Map(entries.map((entry) => [entry.deposit, entry]))
  const writing = new Map<Uuid, Promise<void>>()
  let tail: Promise<unknown> = Promise.resolve()
  let end = bytes
  let torn = false
  const write = async (revoked: RevokedDeposit): Promise<void> => {
    // What a write that failed has left goes first, or the two would be one line.
    if (torn) await truncate(file, end).catch((error: unknown) => Promise.reject(notNow(error)))
    torn = true
    const line = Buffer.from(formatLine(grants, revoked))
    await append(file, line)
    torn = false
    end += line.length
  }
  return {
    has: (deposit) => known.has(deposit),
    list: () => [...known.values()],
    record(revoked) {
      const { deposit } = revoked
      if (known.has(deposit)) return writing.get(deposit) ?? Promise.resolve()
      known.set(deposit, revoked)
      const written = tail
        .then(() => write(revoked))
        .catch((error: unknown) => {
          // Thrown to those that ordered it, and tried again by the next order.
          known.delete(deposit)
          throw error
        })
        .finally(() => writing.delete(deposit))
      writing.set(deposit, written)
      tail = written.catch(() => undefined)
      return written
    },
  }
}

interface WrittenLines {
  readonly entries: readonly RevokedDeposit[]
  /** Length of the whole lines. */
  readonly bytes: number
}

async function readLines(file: string, grants: Grants): Promise<WrittenLines> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw unreadable(file, error)
  })
  const end = text.lastIndexOf('\n') + 1
  const bytes = Buffer.byteLength(text.slice(0, end))
  if (end < text.length) await truncate(file, bytes)
  const lines = text.slice(0, end).split('\n').slice(0, -1)
  return { entries: lines.map((line) => parseLine(file, grants, line)), bytes }
}

function formatLine(grants: Grants, revoked: RevokedDeposit): string {
  return `${JSON.stringify({ ...revoked, mac: macOf(grants, revoked) })}\n`
}

function parseLine(file: string, grants: Grants, line: string): RevokedDeposit {
  try {
    const { mac, ...revoked } = JSON.parse(line) as RevokedDeposit & { readonly mac: string }
    if (sameText(mac, macOf(grants, revoked))) return revoked
  } catch (cause) {
    throw unreadable(file, cause)
  }
  throw unreadable(file, undefined)
}

function macOf(grants: Grants, revoked: RevokedDeposit): string {
  const { deposit, organisation, orderedBy, orderedAt } = revoked
  return macText(grants.mac('revocation', [deposit, organisation, orderedBy, orderedAt]))
}

async function append(file: string, line: Buffer): Promise<void> {
  try {
    const handle = await open(file, 'a', 0o600)
    try {
      await handle.appendFile(line)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await syncDirectory(dirname(file))
  } catch (cause) {
    throw notNow(cause)
  }
}

function notNow(cause: unknown): DomainError {
  return new DomainError('ERR_UNAVAILABLE', 'the revocation cannot be written down now', { cause })
}

function unreadable(file: string, cause: unknown): DomainError {
  return new DomainError('ERR_SETTINGS', `${basename(file)} is not as this server wrote it`, {
    cause,
    hints: ['restore it from a backup: it says which deposits must stay unreadable'],
  })
}
