/**
 * Ends purges that were cut off: by a crash, or because the Trustee Server could not be asked. Keys that are marked never come back, so
 * nothing is decided here any more. Two instances may do it at once: what is purged stays purged.
 */
import type { KeyStore } from './key-store.js'
import { endPurge, isPurging, type Purged } from './purge-key.js'
import type { NamedKey } from './zone-key.js'

export interface ResumeOptions {
  /** The actor of what is changed. */
  readonly by: string
  /** Names changed more recently are left to whoever is at work on them, in milliseconds. */
  readonly quietMs: number
  /** Asked before each: false when the service stops. */
  goesOn(): boolean
  /** Called around the end of each purge, for the audit. @throws what keeps it from being ended. */
  around(name: string, end: () => Promise<Purged>): Promise<void>
  onFailure(error: unknown): void
}

/** Tries each once. The descriptions of all names are read where they are not known yet. */
export async function resumePurges(store: KeyStore, o: ResumeOptions): Promise<void> {
  const all = await store.directory.lookAll()
  const latest = store.clock.now().getTime() - o.quietMs
  for (const { name, deleted } of all.filter((named) => isCutOff(named, latest))) {
    if (!o.goesOn()) return
    const end = () => endPurge(store, { name, by: o.by }, deleted)
    await o.around(name, end).catch((error: unknown) => o.onFailure(error))
  }
}

function isCutOff({ deleted, change }: NamedKey, latest: number): boolean {
  return change.at <= latest && deleted.some(isPurging)
}
