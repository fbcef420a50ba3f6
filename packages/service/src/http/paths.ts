/** Which methods a path has: asked only when the router found nothing, to tell 405 from 404. */
import type { BoundRoute } from './route-request.js'

/** Methods of the routes whose path fits `target` (path and query), sorted; empty when none fits. */
export function methodsOf(routes: readonly BoundRoute[], target: string): string[] {
  const parts = target.split('?', 1)[0]?.split('/') ?? []
  const fits = routes.filter(({ spec }) => {
    const pattern = spec.path.split('/')
    return (
      pattern.length === parts.length &&
      pattern.every((part, at) => part.startsWith(':') || part === parts[at])
    )
  })
  return [...new Set(fits.map(({ spec }) => spec.method))].sort()
}
