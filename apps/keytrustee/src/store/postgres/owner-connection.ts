/** Lends a connection for work on the schema, and says in the words of settings why the database does not let us in. */
import { DomainError } from '@keyhsm/core'
import pg from 'pg'
import { describeAddress, type PostgresAddress } from './address.js'
import { defaultTimeouts, plainConfig } from './pool.js'
import { translate } from './sqlstate.js'

/** @throws ERR_SETTINGS when the role is refused; ERR_STORE_UNAVAILABLE */
export async function withOwner<Result>(
  address: PostgresAddress,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  // No limit on answers here: a migration takes the time it takes.
  const { query_timeout: _, ...config } = plainConfig(address, defaultTimeouts)
  const client = new pg.Client({ ...config, options: '-c synchronous_commit=on' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } catch (error) {
    throw refused(error, address)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** One transaction on it: all of `work`, or nothing. */
export async function inTransaction(client: pg.Client, work: () => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await work()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

/** SQLSTATEs of a database that will not let this role work: a matter of settings, not of waiting. */
const refusingStates = new Set(['28000', '28P01', '3D000', '42501'])

/** Node's words for a certificate that is not the expected one. @see https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const certificateCode = /^(CERT_|ERR_TLS_CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

function refused(error: unknown, address: PostgresAddress): DomainError {
  const code = String((error as { readonly code?: unknown } | undefined)?.code)
  const place = describeAddress(address)
  if (error instanceof pg.DatabaseError && refusingStates.has(code))
    return settings(`${place} refuses the role ${address.user} (SQLSTATE ${code})`, error)
  if (certificateCode.test(code))
    return settings(`${place} shows a certificate that is not trusted (${code})`, error)
  return translate(error)
}

function settings(words: string, cause: unknown): DomainError {
  return new DomainError('ERR_SETTINGS', `the database ${words}`, { cause })
}
