/** The request target of a route: its path with the parameters filled in, and the query. */
import type { RouteSpec } from '@keyhsm/protocol'

/** Params or query of a route: their schemas hold texts, numbers and switches only. */
export type RequestFields = Readonly<Record<string, string | number | boolean | undefined>>

/** Percent-encoded; undefined query fields are left out. */
export function formatRequestPath(
  spec: Pick<RouteSpec, 'path'>,
  params: RequestFields = {},
  query: RequestFields = {},
): string {
  const path = spec.path.replace(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(String(params[name])),
  )
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) search.append(name, String(value))
  return search.size === 0 ? path : `${path}?${search.toString()}`
}
