/** Requests that bring content: decoded, and wiped at once where the request is refused; from then on the operations wipe it. */
import { type Fingerprint, invalidInput, type Uuid } from '@keyhsm/core'
import {
  type BodyOf,
  decodeBase64,
  type moveRoute,
  type sealRoute,
  type sealsRoute,
} from '@keyhsm/protocol'
import type { MoveRequest, ToMove } from '../operations/move-deposits.js'
import type { SealRequest } from '../operations/seal-deposit.js'
import type { SealsRequest, ToSeal } from '../operations/seal-deposits.js'
import { toTrustees } from './approval.js'
import { toContext } from './context.js'

/** One deposit to seal. @throws ERR_INVALID_INPUT */
export function toSealRequest(body: BodyOf<typeof sealRoute>): SealRequest {
  return { ...toPlace(body), ...toToSeal(body) }
}

/** Several to seal. @throws ERR_INVALID_INPUT for any of them */
export function toSealsRequest(body: BodyOf<typeof sealsRoute>): SealsRequest {
  return { ...toPlace(body), deposits: decodeEach(body.deposits, toToSeal) }
}

function toPlace({
  requestId,
  canary,
  scope,
  kind,
}: Pick<BodyOf<typeof sealRoute>, 'requestId' | 'canary' | 'scope' | 'kind'>) {
  return {
    requestId: requestId as Uuid,
    canary: canary as Fingerprint,
    ...(scope === undefined ? {} : { scope }),
    ...(kind === undefined ? {} : { kind }),
  }
}

/** The content last: nothing is refused any more once it is decoded. */
function toToSeal({
  context,
  content,
  trustees,
}: Pick<BodyOf<typeof sealRoute>, 'context' | 'content' | 'trustees'>): ToSeal {
  const rest = {
    context: toContext(context),
    ...(trustees === undefined ? {} : { trustees: toTrustees(trustees) }),
  }
  return { ...rest, content: decodeBase64(content, 'content') }
}

/** Some to move into one place. @throws ERR_INVALID_INPUT for any of them */
export function toMoveRequest({
  requestId,
  deposits,
  target,
}: BodyOf<typeof moveRoute>): MoveRequest {
  const { canary, scope, kind, otherKey } = target
  return {
    requestId: requestId as Uuid,
    deposits: decodeEach(deposits, toToMove),
    target: {
      canary: canary as Fingerprint,
      ...(scope === undefined ? {} : { scope }),
      ...(kind === undefined ? {} : { kind }),
      otherKey: otherKey === true,
    },
  }
}

/** @throws ERR_INVALID_INPUT unless it is either not sealed, or sealed in a partition */
function toToMove({
  context: of,
  content,
  trustees,
  sealed,
  canary,
}: BodyOf<typeof moveRoute>['deposits'][number]): ToMove {
  const context = toContext(of)
  if (sealed !== undefined && canary !== undefined && content === undefined && !trustees)
    return { context, sealed: decodeBase64(sealed, 'sealed'), canary: canary as Fingerprint }
  if (content === undefined || sealed !== undefined || canary !== undefined)
    throw invalidInput('deposits', 'must have content, or sealed and its canary')
  const approvers = trustees === undefined ? {} : { trustees: toTrustees(trustees) }
  return { context, content: decodeBase64(content, 'content'), ...approvers }
}

/** @throws what `decode` throws for any of them; the content of those before it is wiped then */
function decodeEach<Raw, Decoded extends ToSeal | ToMove>(
  all: readonly Raw[],
  decode: (raw: Raw) => Decoded,
): readonly Decoded[] {
  const decoded: Decoded[] = []
  try {
    for (const raw of all) decoded.push(decode(raw))
    return decoded
  } catch (error) {
    for (const one of decoded) if ('content' in one) one.content.fill(0)
    throw error
  }
}
