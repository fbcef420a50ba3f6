/** What stands on every reply, as the original sends it. `Date` is written by node:http. */
const fixed = {
  'cache-control': 'no-cache',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
  'x-xss-protection': '1; mode=block',
} as const

type CommonHeaders = typeof fixed & { readonly expires: string }

let second = 0
let current: CommonHeaders | undefined

/** @param now milliseconds since 1970: replies expire at once. Written anew every second. */
export function commonHeaders(now: number): CommonHeaders {
  const at = Math.floor(now / 1000)
  if (current === undefined || at !== second)
    current = { ...fixed, expires: new Date(at * 1000).toUTCString() }
  second = at
  return current
}
