/** Where new deposits go according to the order of a migration. */
import type { SealTarget } from '../sealing/key-hsm-sealer.js'
import type { Before, Form, MigrationOrder } from './migration-order.js'
import { meetsUnsealed } from './migration-order.js'

/** What an order in its present state means for new deposits. */
export function directionOf(order: MigrationOrder): Before {
  return order.state === 'rolling-back' ? order.before : towards(order.to, order.before, true)
}

/** What stays when it has ended. */
export function finalDirectionOf(order: MigrationOrder): Before {
  return order.state === 'rolling-back' ? order.before : towards(order.to, order.before, false)
}

/** Whether unsealed deposits are opened while `order` is under way. */
export function opensUnsealedIn(order: MigrationOrder | undefined): boolean {
  return order !== undefined && (meetsUnsealed(order) || order.before.passThrough === true)
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
