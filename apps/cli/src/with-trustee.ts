/** Lends a connection to the Trustee Server as the registered client, and words its errors for a person. */
import {
  type LocalClient,
  openCalls,
  readLocalClient,
  renewWhenDue,
  TrusteeClient,
} from '@keyhsm/client'
import type { Input } from '@keyhsm/command-line'
import { DomainError, errorTraits } from '@keyhsm/core'

export interface Lent {
  readonly client: LocalClient
  readonly trustee: TrusteeClient
}

/** Exit status EX_UNAVAILABLE: the server or its HSM cannot be asked now. */
const unavailableStatus = 69

/**
 * Runs `use` and closes the connection. `prepare` runs before there is one: what it refuses never leaves the machine.
 * @throws ERR_SETTINGS when this client is not registered.
 */
export async function withTrustee<Prepared, Result>(
  input: Input,
  prepare: (client: LocalClient) => Promise<Prepared> | Prepared,
  use: (lent: Lent, prepared: Prepared) => Promise<Result>,
): Promise<Result> {
  const client = await renewWhenDue(input.home.client, await readLocalClient(input.home.client))
  const prepared = await prepare(client)
  const { tls, follower } = client
  const transport = openCalls({ url: client.settings.server, tls, follower, connections: 2 })
  try {
    return await use({ client, trustee: new TrusteeClient(transport) }, prepared)
  } catch (error) {
    throw worded(error)
  } finally {
    await transport.destroy()
  }
}

/** For ever, or not now: the two must not be mistaken for each other. */
export function worded(error: unknown): unknown {
  if (!(error instanceof DomainError)) return error
  if (error.code === 'ERR_IRRETRIEVABLE')
    return rewrite(error, error.message, 'this is final: trying again does not help')
  if (errorTraits[error.code].exit === unavailableStatus)
    return rewrite(error, `unavailable, retry: ${error.message}`)
  return error
}

function rewrite(error: DomainError, detail: string, ...hints: string[]): DomainError {
  return new DomainError(error.code, detail, {
    cause: error.cause,
    faults: error.faults,
    elsewhere: error.elsewhere,
    hints: [...hints, ...error.hints],
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  })
}
