/** How commands reach the running server: the control socket, requests signed with the administrator's key. */
import { Transport } from '@keyhsm/client'
import { type Input, type Option, optionText } from '@keyhsm/command-line'
import { DomainError, hasCode } from '@keyhsm/core'
import type { BodyOf, ParamsOf, QueryOf, ReplyOf, RouteSpec } from '@keyhsm/protocol'
import { readAdministratorKey } from '../administrators.js'
import { pathsIn } from '../paths.js'

/** Option of every command that asks the running server. */
export const asOption: Option = {
  flag: 'as',
  value: 'NAME',
  env: 'KEYTRUSTEE_ADMIN',
  describe: 'administrator whose key signs the request (admin/NAME.key)',
}

export interface Call<Spec> {
  readonly params?: ParamsOf<Spec>
  readonly query?: QueryOf<Spec>
  readonly body?: BodyOf<Spec>
}

/**
 * One request to the running server.
 * @throws what it answers; ERR_UNAVAILABLE when it does not run; ERR_SETTINGS without an administrator's key.
 */
export async function callServer<Spec extends RouteSpec>(
  input: Input,
  spec: Spec,
  call: Call<Spec> = {},
): Promise<ReplyOf<Spec>> {
  const paths = pathsIn(input.home.keytrustee)
  const signer = await readAdministratorKey(paths, optionText(input, 'as'))
  return await callOver({ socketPath: paths.controlSocket, signer }, spec, call)
}

/** The same without an administrator, for the routes that are for everybody who reaches the socket. */
export function askServer<Spec extends RouteSpec>(
  input: Input,
  spec: Spec,
): Promise<ReplyOf<Spec>> {
  return callOver({ socketPath: pathsIn(input.home.keytrustee).controlSocket }, spec, {})
}

async function callOver<Spec extends RouteSpec>(
  o: ConstructorParameters<typeof Transport>[0],
  spec: Spec,
  call: Call<Spec>,
): Promise<ReplyOf<Spec>> {
  const transport = new Transport(o)
  try {
    return await transport.call(spec, call)
  } catch (error) {
    throw explain(error)
  } finally {
    await transport.close()
  }
}

/** Every row of a paged list. */
export async function listWhole<Row>(
  readPage: (
    after: string | undefined,
  ) => Promise<{ readonly rows: readonly Row[]; readonly next?: string | undefined }>,
): Promise<readonly Row[]> {
  const whole: Row[] = []
  let after: string | undefined
  do {
    const { rows, next } = await readPage(after)
    whole.push(...rows)
    after = next
  } while (after !== undefined)
  return whole
}

function explain(error: unknown): unknown {
  if (hasCode(error, 'ERR_UNAVAILABLE'))
    return new DomainError('ERR_UNAVAILABLE', error.message, {
      cause: error.cause,
      hints: [
        'is it running? see: keytrustee-server status',
        'start it with: keytrustee-server start',
      ],
    })
  return error
}
