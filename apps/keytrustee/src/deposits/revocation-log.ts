/**
 * Which deposits were ordered to be unreadable for ever, in a file beside the database: a database restored from an older
 * backup brings them back as rows, but not to life. One JSON line an order, each with a MAC under `grant.key`.
 */
import { open, readFile, truncate } from 'node:fs/promises'
import { basename } from 'node:path'
import { DomainError, type Uuid } from '@keyhsm/core'
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
  const known = new Map((await readLines(file, grants)).map((entry) => [entry.deposit, entry]))
  let tail: Promise<void> = Promise.resolve()
  return {
    has: (deposit) => known.has(deposit),
    list: () => [...known.values()],
    record(revoked) {
      if (known.has(revoked.deposit)) return tail
      known.set(revoked.deposit, revoked)
      const written = tail.then(() => append(file, formatLine(grants, revoked)))
      // A failed write is thrown to its caller and tried again by the next order, not by those that wait behind it.
      tail = written.catch(() => {
        known.delete(revoked.deposit)
      })
      return written
    },
  }
}

async function readLines(file: string, grants: Grants): Promise<readonly RevokedDeposit[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw unreadable(file, error)
  })
  const end = text.lastIndexOf('\n') + 1
  if (end < text.length) await truncate(file, Buffer.byteLength(text.slice(0, end)))
  const lines = text.slice(0, end).split('\n').slice(0, -1)
  return lines.map((line) => parseLine(file, grants, line))
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

async function append(file: string, line: string): Promise<void> {
  try {
    const handle = await open(file, 'a', 0o600)
    try {
      await handle.write(line)
      await handle.datasync()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    throw new DomainError('ERR_UNAVAILABLE', 'the revocation cannot be written down now', { cause })
  }
}

function unreadable(file: string, cause: unknown): DomainError {
  return new DomainError('ERR_SETTINGS', `${basename(file)} is not as this server wrote it`, {
    cause,
    hints: ['restore it from a backup: it says which deposits must stay unreadable'],
  })
}
