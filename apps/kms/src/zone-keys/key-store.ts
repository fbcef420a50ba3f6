/** Everything a zone key can go through, over the vault: one file for the frame that all changes share. */
import { type Clock, DomainError } from '@keyhsm/core'
import { keyHandle } from './handles.js'
import type { Described, KeyDirectory } from './key-directory.js'
import type { Repetitions, Wish } from './repetition.js'
import { isLostRace } from './trustee-vault.js'
import type { Vault, VaultPut } from './vault.js'
import type { VersionCache } from './version-cache.js'
import { type Change, formatNamedKey, type NamedKey } from './zone-key.js'

export interface KeyStore {
  readonly vault: Vault
  readonly directory: KeyDirectory
  readonly versions: VersionCache
  readonly repetitions: Repetitions
  readonly clock: Clock
}

/** What a change makes of a name: its new description (without the change itself) and the versions that come with it. */
export interface Plan {
  readonly next: Omit<NamedKey, 'change'>
  readonly puts: () => readonly VaultPut[]
  readonly removes?: readonly VaultPut['handle'][]
}

/** A change that happened, or was found to have happened. */
export interface Changed {
  readonly named: NamedKey
  readonly repeated: boolean
}

/** Another instance may win as often before this one gives up. */
const maxRaces = 20

/**
 * Decides on what is there now, writes description and versions in one batch on condition that nobody else wrote, and decides
 * again when somebody did.
 * @throws what `decide` throws; ERR_BUSY when others always win.
 */
export async function changeKey(
  store: KeyStore,
  name: string,
  wish: Wish,
  decide: (before: NamedKey | undefined) => Plan,
): Promise<Changed> {
  for (let race = 0; race < maxRaces; race += 1) {
    const found = await store.directory.look(name)
    const now = store.clock.now().getTime()
    if (found && store.repetitions.isRepetition(name, wish, found.named.change, now))
      return { named: found.named, repeated: true }
    const plan = decide(found?.named)
    const change: Change = { ...wish, at: now, instance: store.repetitions.instance }
    const named: NamedKey = { ...plan.next, change }
    try {
      await store.vault.write([descriptionPut(named, found), ...plan.puts()], plan.removes)
      return { named, repeated: false }
    } catch (error) {
      if (!isLostRace(error)) throw error
    } finally {
      store.directory.forget(name)
    }
  }
  throw new DomainError('ERR_BUSY', 'the key is being changed by others', { retryAfterMs: 1_000 })
}

function descriptionPut(named: NamedKey, before: Described | undefined): VaultPut {
  return {
    handle: keyHandle(named.name),
    content: formatNamedKey(named),
    scope: 'service',
    over: before?.revision ?? 'absent',
  }
}
