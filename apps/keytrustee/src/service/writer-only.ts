import { getDepositRoute, recordHeadRoute, type RouteSpec } from '@keyhsm/protocol'
import type { BoundRoute } from '@keyhsm/service'
import { refuseReader, type Store } from '../store/store.js'

/** Retrievals, and what goes into this server's own audit alone. */
const withoutWriter: ReadonlySet<RouteSpec> = new Set<RouteSpec>([getDepositRoute, recordHeadRoute])

/**
 * The same routes, of which a server that reaches only a standby serves retrievals alone: everything else names the servers
 * that reach the primary. What a standby lacks may only not have come there yet.
 */
export function servedWithWriter(
  store: Pick<Store, 'reach'>,
  routes: readonly BoundRoute[],
): readonly BoundRoute[] {
  return routes.map((route) =>
    route.spec.access !== 'client' || withoutWriter.has(route.spec)
      ? route
      : {
          spec: route.spec,
          async handle(request) {
            refuseReader(store)
            return await route.handle(request)
          },
        },
  )
}
