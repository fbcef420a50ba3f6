/** How commands reach the running KMS. */
import { Transport } from '@keyhsm/client'
import type { Input } from '@keyhsm/command-line'
import { DomainError, hasCode } from '@keyhsm/core'
import type { BodyOf, ReplyOf, RouteSpec } from '@keyhsm/protocol'
import { pathsOf } from './folder.js'

/** One request over the control socket. @throws what it answers; ERR_UNAVAILABLE when it does not run. */
export async function callKms<Spec extends RouteSpec>(
  input: Input,
  spec: Spec,
  call: { readonly body?: BodyOf<Spec> } = {},
): Promise<ReplyOf<Spec>> {
  const transport = new Transport({ socketPath: pathsOf(input).controlSocket })
  try {
    return await transport.call(spec, call)
  } catch (error) {
    if (!hasCode(error, 'ERR_UNAVAILABLE')) throw error
    const hints = ['is it running? see: keytrustee-kms status']
    throw new DomainError('ERR_UNAVAILABLE', error.message, { cause: error.cause, hints })
  } finally {
    await transport.destroy()
  }
}
