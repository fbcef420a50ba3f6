import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { encryptStream } from '@keyhsm/client'
import { encodeBase64 } from '@keyhsm/protocol'
import type { Uuid } from '@keyhsm/core'
import { audited, auditRefusal } from '../audited.js'
import type { AttemptLimit } from '../organisations/attempt-limit.js'
import type { Paths } from '../paths.js'
import type { Trustee } from '../trustee.js'
import { isJoinToken, takeJoinToken, unknownToken } from './join-tokens.js'
import { makeNodeBundle } from './node-bundle.js'

export interface Admission {
  readonly requestId: Uuid
  readonly token: Uuid
  readonly secret: string
  readonly name: string
  readonly recipient: string
  /** The caller's IP address. */
  readonly peer: string
}

export interface AdmissionDesk {
  readonly paths: Paths
  /** How often a peer may try. */
  readonly attempts: AttemptLimit
}

/**
 * Hands the installation's secrets to whoever has the token: once, encrypted to the key of the one that asks.
 * @throws ERR_NOT_AUTHENTICATED; ERR_BUSY after too many tries; ERR_CONFLICT while the database is private: the token is
 *   not used up then
 */
export async function admitNode(
  trustee: Trustee,
  { paths, attempts }: AdmissionDesk,
  admission: Admission,
): Promise<string> {
  const { requestId, token, name, recipient, peer } = admission
  const subjects = [{ token, name, peer }]
  const operation = { operation: 'admit-node', requestId, actor: peer, subjects }
  const refuse = () => auditRefusal(trustee.audit, operation, 'refused', 'token')
  const known = await attempts.attempt({ peer, organisation: 'join' }, () =>
    isJoinToken(paths.joinTokens, admission, trustee.clock.now()),
  )
  if (!known) {
    await refuse()
    throw unknownToken()
  }
  const bundle = Readable.from([Buffer.from(await makeNodeBundle(paths))])
  const sealed = await buffer(await encryptStream(bundle, { recipients: [recipient] }))
  const take = () => takeJoinToken(paths.joinTokens, admission, trustee.clock.now())
  // One after the other: of two with the same token one finds it used.
  await trustee.queue.withKeys(['join-tokens'], take).catch(async (error: unknown) => {
    await refuse()
    throw error
  })
  return await audited(trustee.audit, operation, 'done', () =>
    Promise.resolve(encodeBase64(sealed)),
  )
}
