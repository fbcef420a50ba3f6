/**
 * What a restore without the lost host's audit leaves held: a client may have been disabled since the backup, a counted
 * deposit been used up. One file beside the database, in which an administrator's releases shorten the lists.
 */
import { DomainError, parseUuid, type Uuid } from '@keyhsm/core'
import { writeFileAtomically } from '@keyhsm/service'
import { readOptionalText } from '../files.js'

export interface Held {
  readonly clients: readonly Uuid[]
  readonly deposits: readonly Uuid[]
}

export interface Holds {
  client(uuid: Uuid): boolean
  deposit(uuid: Uuid): boolean
  list(): Held
  /** On disk when it resolves. @returns how many were held among these. @throws ERR_UNAVAILABLE */
  release(uuids: readonly Uuid[]): Promise<number>
}

const format = 'keytrustee-holds-1'

/** Nothing is held where there is no file. @throws ERR_SETTINGS for a file that cannot be believed: then nothing starts. */
export async function openHolds(file: string): Promise<Holds> {
  const held = await readHolds(file)
  const clients = new Set(held.clients)
  const deposits = new Set(held.deposits)
  const list = (): Held => ({ clients: [...clients], deposits: [...deposits] })
  let tail: Promise<unknown> = Promise.resolve()
  const release = async (uuids: readonly Uuid[]): Promise<number> => {
    const known = uuids.filter((uuid) => clients.has(uuid) || deposits.has(uuid))
    const gone = new Set(known)
    // The file first: what is not on disk would be held again after the next start.
    await writeHolds(file, {
      clients: [...clients].filter((uuid) => !gone.has(uuid)),
      deposits: [...deposits].filter((uuid) => !gone.has(uuid)),
    })
    for (const uuid of known) {
      clients.delete(uuid)
      deposits.delete(uuid)
    }
    return gone.size
  }
  return {
    client: (uuid) => clients.has(uuid),
    deposit: (uuid) => deposits.has(uuid),
    list,
    release(uuids) {
      const next = tail.then(() => release(uuids))
      tail = next.catch(() => undefined)
      return next
    },
  }
}

export async function writeHolds(file: string, held: Held): Promise<void> {
  await writeFileAtomically(file, `${JSON.stringify({ format, ...held })}\n`, 0o600)
}

async function readHolds(file: string): Promise<Held> {
  const text = await readOptionalText(file)
  if (text === undefined) return { clients: [], deposits: [] }
  try {
    const fields = JSON.parse(text) as Record<string, unknown>
    if (fields['format'] === format)
      return { clients: uuidsOf(fields['clients']), deposits: uuidsOf(fields['deposits']) }
  } catch {
    // Falls through to the one error.
  }
  throw new DomainError('ERR_SETTINGS', 'holds.json is damaged', {
    hints: ['restore it from a backup of this host: it says who must not be served yet'],
  })
}

function uuidsOf(value: unknown): readonly Uuid[] {
  if (Array.isArray(value)) return value.map((uuid) => parseUuid(String(uuid), 'holds.json'))
  throw new TypeError('not a list')
}

export function heldClient(): DomainError {
  return new DomainError('ERR_NOT_ALLOWED', held('client'))
}

export function heldDeposit(): DomainError {
  return new DomainError('ERR_NOT_ALLOWED', held('deposit'))
}

function held(what: string): string {
  return `this ${what} is held since the server was restored, until an administrator releases it`
}
