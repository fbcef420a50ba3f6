/** What every verb works with. */
import type { HsmKeyId } from '@keyhsm/core'
import { DomainError } from '@keyhsm/core'
import type { KeyUse, StillWanted } from '@keyhsm/hsm'
import type { Cluster } from '../connection/cluster.js'
import type { NaeLink } from '../connection/nae-link.js'
import type { NaeDialect } from '../dialect/dialect.js'
import { NaeRefusal } from '../failure.js'
import { type KeyDirectory, type KnownKey, notFound } from '../keys/key-directory.js'
import { toKeyName } from '../keys/key-names.js'
import { type CryptoCall, cryptoRequest } from '../messages/crypto.js'
import type { NaeTimers } from '../options.js'

export interface Device {
  readonly cluster: Cluster
  readonly directory: KeyDirectory
  readonly dialect: NaeDialect
  readonly timers: NaeTimers
}

/** A key to be used, and for what. */
export interface Use {
  readonly id: HsmKeyId
  readonly use: KeyUse
  readonly stillWanted: StillWanted
}

/** Refusals after which it must be asked whether the key is still there. */
const doubtful: ReadonlySet<string> = new Set([
  'missing-or-forbidden',
  'forbidden',
  'unknown',
  'key-disabled',
  'bad-request',
])

/** Those that may be over when the key is there after all. */
const passing: ReadonlySet<string> = new Set(['missing-or-forbidden', 'forbidden', 'unknown'])

/**
 * Runs `work` with the key on a node that has it.
 * @throws ERR_NOT_FOUND after two looks; ERR_HSM_REFUSED when the key has another use; NaeRefusal when the key is there and
 * the appliance refuses
 */
export async function useKey<Result>(
  device: Device,
  { id, use, stillWanted }: Use,
  work: (link: NaeLink, known: KnownKey) => Promise<Result>,
): Promise<Result> {
  const { cluster, directory } = device
  const name = toKeyName(id)
  const known = await directory.need(id)
  if (known.key.use !== use) throw mayNot(use)
  stillWanted()
  try {
    const done = await cluster.run({ key: name, kind: 'read' }, (link) => work(link, known))
    return done.result
  } catch (error) {
    if (!(error instanceof NaeRefusal) || !doubtful.has(error.means)) throw error
    directory.forget(id)
    const seen = await directory.find(id)
    if (!seen) throw notFound()
    if (!passing.has(error.means)) throw error
    // One node did not know it yet, or the login was lost and the words for that are unknown.
    const there = { key: name, kind: 'read', at: seen.member } as const
    return (await cluster.run(there, (link) => work(link, seen))).result
  }
}

/** One crypto operation; the caller owns the answer and wipes it. */
export async function crypto(device: Device, link: NaeLink, call: CryptoCall): Promise<Buffer> {
  const { data } = await link.request(cryptoRequest(device.dialect, call), device.timers.readMs)
  return data ?? Buffer.alloc(0)
}

/** The error of a key that is asked to do what it was not made for. */
export function mayNot(use: KeyUse): DomainError {
  const words = { wrap: 'wrap', authenticate: 'authenticate', sign: 'sign' } as const
  return new DomainError('ERR_HSM_REFUSED', `this HSM key may not ${words[use]}`)
}
