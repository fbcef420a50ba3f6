/** Data directories that are being made: one that a crash leaves is recognised by its name, and removed. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClusterLayout } from './layout.js'
import { isTaken } from './postmaster.js'

const unfinishedPrefix = 'unfinished-'

/** An empty directory whose name carries the pid of this process. */
export function makeDraft({ directory }: ClusterLayout): Promise<string> {
  return mkdtemp(join(directory, `${unfinishedPrefix}${process.pid}-`))
}

/** Only what a dead process of ours left: a live one may be at it now. */
export async function removeUnfinished({ directory }: ClusterLayout): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = /^unfinished-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || isTaken(Number(pid))) continue
    await rm(join(directory, name), { recursive: true })
  }
}
