/** Where a database is and how to be let in: from a `postgresql://` URL, or made by the private cluster. */
import { isAbsolute } from 'node:path'
import { DomainError, type FieldFault } from '@keyhsm/core'

export interface PostgresAddress {
  /** Host name, IP address, or the directory of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password?: string
  /** PEM certificates to verify the server against; undefined: no TLS, for this machine only. */
  readonly tls?: { readonly authorities: readonly string[] | undefined }
}

const loopback = new Set(['localhost', '127.0.0.1', '::1'])

/** Host, port and database for messages; never the password. */
export function describeAddress({ host, port, database }: PostgresAddress): string {
  return isAbsolute(host)
    ? `${database} on the socket in ${host}`
    : `${database} on ${host}:${port}`
}

/**
 * Parses `postgresql://user[:password]@host[:port]/database`. Another machine is always asked for its certificate
 * (`sslmode=verify-full`, which may be left out). A socket's directory stands in the place of the host, percent-encoded
 * (`postgresql://user@%2Frun%2Fpostgresql/database`), or in the parameter `host`.
 *
 * @param options.password used when the URL holds none, so that it need not stand in a settings file
 * @param options.authorities PEM of the CA that signed the server's certificate; default: the system's
 * @throws ERR_SETTINGS naming `field` and the rule
 */
export function parseDatabaseUrl(
  text: string,
  field: string,
  options: { readonly password?: string; readonly authorities?: readonly string[] } = {},
): PostgresAddress {
  const url = parseUrl(text, field)
  refuseUnknownParameters(url, field)
  const host = url.searchParams.get('host') ?? decode(url.hostname, field).replace(/^\[|\]$/g, '')
  const database = decode(url.pathname.slice(1), field)
  const user = decode(url.username, field)
  const password = decode(url.password, field) || options.password
  if (!host || !database || !user) throw fault(field, 'must name user, host and database')
  return {
    host,
    port: url.port ? Number(url.port) : 5432,
    database,
    user,
    ...(password ? { password } : {}),
    ...(isPlain(url, host, field) ? {} : { tls: { authorities: options.authorities } }),
  }
}

/** More than any installation needs; each is watched over a connection of its own. */
const maxHosts = 8

/**
 * Parses a URL that may name several hosts, separated by commas: `postgresql://user@db1:5432,db2/database`. Each is one copy
 * of the same database, in whatever role; options and parameters count for all.
 *
 * @throws ERR_SETTINGS naming `field` and the rule
 */
export function parseDatabaseUrls(
  text: string,
  field: string,
  options: Parameters<typeof parseDatabaseUrl>[2] = {},
): readonly PostgresAddress[] {
  const parts = /^(postgres(?:ql)?:\/\/(?:[^@/?]*@)?)([^/?]*)(.*)$/s.exec(text)
  const [, head = '', hosts = '', rest = ''] = parts ?? []
  if (!hosts.includes(',')) return [parseDatabaseUrl(text, field, options)]
  const addresses = hosts
    .split(',')
    .map((host) => parseDatabaseUrl(`${head}${host.trim()}${rest}`, field, options))
  const places = new Set(addresses.map(({ host, port }) => `${host} ${port}`))
  if (places.size < addresses.length) throw fault(field, 'must name each host once')
  if (addresses.length > maxHosts) throw fault(field, `must name at most ${maxHosts} hosts`)
  return addresses
}

function parseUrl(text: string, field: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && /^postgres(ql)?:$/.test(url.protocol)) return url
  throw fault(field, 'must be a postgresql:// URL')
}

function decode(text: string, field: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw fault(field, 'must have only well-formed % signs')
  }
}

function refuseUnknownParameters(url: URL, field: string): void {
  for (const name of url.searchParams.keys())
    if (name !== 'host' && name !== 'sslmode')
      throw fault(field, `must not have the parameter ${name}: only host and sslmode`)
}

function isPlain(url: URL, host: string, field: string): boolean {
  const mode = url.searchParams.get('sslmode')
  if (isAbsolute(host)) return true
  if (mode === 'verify-full') return false
  if (loopback.has(host) && (mode === null || mode === 'disable')) return true
  if (mode === null) return false
  throw fault(field, `must not have sslmode=${mode}: another machine needs verify-full`)
}

function fault(field: string, rule: string): DomainError {
  const faults: FieldFault[] = [{ field, rule }]
  return new DomainError('ERR_SETTINGS', `${field} ${rule}`, { faults })
}
