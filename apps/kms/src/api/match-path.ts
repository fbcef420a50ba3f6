/** Which endpoint a path means. Matched while still percent-encoded: names may hold anything, `/` and `%` included. */
import { badRequest } from './remote-error.js'

export const endpointNames = [
  'keys',
  'names',
  'keys-metadata',
  'key',
  'metadata',
  'current-version',
  'versions',
  'key-eek',
  'invalidate-cache',
  'reencrypt-batch',
  'version-eek',
  'version',
  'trustee-key',
] as const
export type EndpointName = (typeof endpointNames)[number]

export interface Match {
  readonly endpoint: EndpointName
  /** Key or version name, still encoded; empty where the path has none. */
  readonly encodedName: string
}

/** The more specific ones first: `/_eek` wins over a name that ends so. Where that leaves a choice, what is asked most. */
const patterns: readonly (readonly [EndpointName, RegExp])[] = [
  ['version-eek', /^keyversion\/(.*)\/_eek$/],
  ['version', /^keyversion\/(.+)$/],
  ['key-eek', /^key\/(.*)\/_eek$/],
  ['names', /^keys\/names$/],
  ['keys-metadata', /^keys\/metadata$/],
  ['keys', /^keys$/],
  ['metadata', /^key\/(.*)\/_metadata$/],
  ['current-version', /^key\/(.*)\/_currentversion$/],
  ['versions', /^key\/(.*)\/_versions$/],
  ['invalidate-cache', /^key\/(.*)\/_invalidatecache$/],
  ['reencrypt-batch', /^key\/(.*)\/_reencryptbatch$/],
  ['key', /^key\/(.+)$/],
  ['trustee-key', /^trustee\/key\/(.+)$/],
]

const base = '/kms/v1/'

/** Undefined when there is nothing at this path. A slash at the end changes nothing. */
export function matchPath(path: string): Match | undefined {
  if (!path.startsWith(base)) return undefined
  const rest = path.slice(base.length).replace(/\/$/, '')
  for (const [endpoint, pattern] of patterns) {
    const match = pattern.exec(rest)
    if (match) return { endpoint, encodedName: match[1] ?? '' }
  }
  return undefined
}

/**
 * The name in a path. Java's client writes a space as `+` and a plus as `%2B` there; others write neither, so a `+` is a space
 * only for Java. The original takes it literally, and such keys could be made but never found again.
 * @throws RemoteError 400 for what is not UTF-8.
 */
export function decodeName(encoded: string, userAgent: string | undefined): string {
  try {
    const isJava = userAgent?.startsWith('Java/') === true
    return decodeURIComponent(isJava ? encoded.replaceAll('+', ' ') : encoded)
  } catch {
    throw badRequest("Parameter 'name' must be percent-encoded UTF-8")
  }
}
