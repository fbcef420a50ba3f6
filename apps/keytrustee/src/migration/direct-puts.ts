/** Where new deposits go while others are moved, and afterwards: the join file says it, so that a restart changes nothing. */
import { writeJoinFile, type Joined } from '../sealing/join-file.js'
import { continueLink } from '../sealing/key-hsm-link.js'
import type { SealTarget } from '../sealing/key-hsm-sealer.js'
import type { SealingState } from '../sealing/sealing-state.js'
import type { LinkInUse } from '../service/link-in-use.js'
import type { Paths } from '../paths.js'
import type { Trustee } from '../trustee.js'
import type { Before, Form, MigrationOrder } from './migration-order.js'
import { meetsUnsealed } from './migration-order.js'

/** What a direction changes. */
export interface Directed {
  readonly trustee: Pick<Trustee, 'store'>
  readonly sealing: SealingState
  readonly paths: Paths
  readonly link: LinkInUse
}

type Direction = Pick<Joined, 'canary' | 'domain' | 'target' | 'passThrough'>

/** What an order in its present state means for new deposits. */
export function directionOf(order: MigrationOrder): Before {
  return order.state === 'rolling-back' ? order.before : towards(order.to, order.before, true)
}

/** What stays when it has ended. */
export function finalDirectionOf(order: MigrationOrder): Before {
  return order.state === 'rolling-back' ? order.before : towards(order.to, order.before, false)
}

/** Applies a direction now and for later starts; requests under way go on as they began. */
export async function direct(
  desk: Directed,
  direction: Before,
  opensUnsealed: boolean,
): Promise<void> {
  const link = desk.link.current()
  if (!link) return
  const joined = withDirection(link.joined, direction)
  if (JSON.stringify(joined) !== JSON.stringify(link.joined)) {
    const { url, realm, canary, domain, joinedAt } = joined
    await desk.trustee.store.withTransaction((transaction) =>
      transaction.saveJoin({ url, realm, canary, domain, joinedAt }),
    )
    await writeJoinFile(desk.paths, joined)
    const next = continueLink(link, joined)
    desk.link.use(next)
    desk.sealing.join(next.sealer)
  }
  const puts = direction.passThrough === true
  desk.sealing.ruleUnsealed({ puts, opens: puts || opensUnsealed })
}

/** Whether unsealed deposits are opened while `order` is under way. */
export function opensUnsealedIn(order: MigrationOrder | undefined): boolean {
  return order !== undefined && (meetsUnsealed(order) || order.before.passThrough === true)
}

/** How new deposits are kept now. */
export function presentDirection({ canary, domain, target, passThrough }: Direction): Before {
  return {
    canary,
    domain,
    ...(target === undefined ? {} : { target }),
    ...(passThrough ? { passThrough } : {}),
  }
}

function towards(to: Form, before: Before, moving: boolean): Before {
  if (to.sealing === 'pass-through') return { ...before, passThrough: true }
  const { canary, domain, scope, kind } = to
  const target: SealTarget = {
    ...(scope === undefined ? {} : { scope }),
    ...(kind === undefined ? {} : { kind }),
    ...(moving && scope !== undefined ? { fixed: true } : {}),
  }
  return { canary, domain, ...(Object.keys(target).length === 0 ? {} : { target }) }
}

function withDirection(joined: Joined, direction: Before): Joined {
  const { target: _target, passThrough: _passThrough, ...rest } = joined
  return { ...rest, ...presentDirection(direction) }
}
