/** The request target of a route: its path with the parameters filled in, and the query. */
import type { RouteSpec } from '@keyhsm/protocol'

type Fields = Readonly<Record<string, unknown>>

export function formatRequestPath(
  spec: Pick<RouteSpec, 'path'>,
  params: Fields = {},
  query: Fields = {},
): string {
  const path = spec.path.replace(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(String(params[name])),
  )
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) search.append(name, String(value))
  return search.size === 0 ? path : `${path}?${search}`
}
