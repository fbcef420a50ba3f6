/** The whole way proved with a sample: a real key is made, seals, opens, is compared and removed again. */
import { randomBytes } from 'node:crypto'
import {
  DomainError,
  type Fingerprint,
  type HsmKeyId,
  newUuid,
  parseHandle,
  type Uuid,
} from '@keyhsm/core'
import type { HsmKeyKind, SealingCalls } from './key-hsm-sealer.js'

/** @throws what Key HSM answers; ERR_HSM_UNAVAILABLE when the content comes back changed. */
export async function proveSample(
  calls: SealingCalls,
  o: {
    readonly canary: Fingerprint
    readonly handle: string
    readonly requestId: Uuid
    /** Of the HSM key; absent: Key HSM's setting. */
    readonly kind?: HsmKeyKind
  },
): Promise<void> {
  const { canary, requestId } = o
  const kind = o.kind === undefined ? {} : { kind: o.kind }
  const content = randomBytes(32)
  const context = {
    organisation: newUuid(),
    deposit: newUuid(),
    handle: parseHandle(o.handle),
    revision: 1,
  }
  const sealed = await calls.seal({
    ...kind,
    requestId,
    context,
    scope: 'deposit',
    content,
    canary,
  })
  try {
    const opened = await calls.open({ requestId, context, sealed: sealed.sealed, canary })
    if (!opened.equals(content))
      throw new DomainError('ERR_HSM_UNAVAILABLE', 'Key HSM gave back other content than it sealed')
  } finally {
    const hsmKeyId = sealed.hsmKeyId as HsmKeyId
    await calls.revoke({ requestId, hsmKeyId, canary, reason: 'test' })
  }
}
