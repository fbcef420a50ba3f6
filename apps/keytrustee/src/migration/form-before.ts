/** How deposits were kept before a migration: what is put while it is under way comes back to that when it is rolled back. */
import type { KeyHsmClient } from '@keyhsm/client'
import { pinsOf } from '../sealing/follow-key-hsm.js'
import type { Joined } from '../sealing/join-file.js'
import { type Before, type Form, type MigrationOrder, patternOf } from './migration-order.js'
import type { Selection } from '../store/store.js'

/** How far the clocks of two servers may be apart: a put carries the time of the server that took it. */
const clocksApartMs = 10 * 60_000

/**
 * Where new deposits went. Scope and kind that only the settings of Key HSM say are asked for: else nothing would tell the two
 * forms of one partition apart. @throws what Key HSM does when it cannot be asked
 */
export async function formBefore(
  calls: Pick<KeyHsmClient, 'describe'>,
  { canary, domain, target = {}, passThrough }: Before,
  joined: Joined,
): Promise<Form> {
  if (passThrough) return { sealing: 'pass-through' }
  const present = await calls.describe(undefined, pinsOf(joined))
  const name = present.backends.find((backend) => backend.canary === canary)?.name
  const plain = { sealing: 'hsm', canary, domain } as const
  // Not connected now. What is to be sealed there waits for it.
  if (name === undefined) return { ...plain, ...target }
  const { scope, kind } =
    present.canary === canary ? present : await calls.describe(undefined, [], name)
  return { ...plain, scope: target.scope ?? scope, kind: target.kind ?? kind }
}

/** What a rollback seals back: puts since the migration began, but not what was in its target before. */
export function putMeanwhile({ to, startedAt, uuid }: MigrationOrder, before: Form): Selection {
  return {
    from: patternOf(to),
    to: patternOf(before),
    sealedSince: new Date(startedAt.getTime() - clocksApartMs),
    unfailedIn: uuid,
  }
}
