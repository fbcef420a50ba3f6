/** Sealing through the joined Key HSM. What Key HSM answers is passed on; what only this server can mend is not. */
import type { KeyHsmClient } from '@keyhsm/client'
import { DomainError, type ErrorCode, type HsmKeyId, toDomainError } from '@keyhsm/core'
import type { Trustees } from '../policies/trustees.js'
import type { Join } from '../store/store.js'
import type { Scope, Sealer } from './sealer.js'

/** The calls of {@link KeyHsmClient} that sealing needs. */
export type SealingCalls = Pick<KeyHsmClient, 'seal' | 'open' | 'revoke'>

/** Codes a client of this server may see as they are. Everything else means that Key HSM could not be asked. */
const passedOn: ReadonlySet<ErrorCode> = new Set([
  'ERR_WRONG_PARTITION',
  'ERR_HSM_UNAVAILABLE',
  'ERR_HSM_FULL',
  'ERR_HSM_REFUSED',
  'ERR_HSM_NOT_SUPPORTED',
  'ERR_BUSY',
  'ERR_TOO_LARGE',
])

/** For ever, or not with these approvals: the caller hears it from Key HSM itself. */
const openingCodes: ReadonlySet<ErrorCode> = new Set(['ERR_IRRETRIEVABLE', 'ERR_NOT_ALLOWED'])

export function createKeyHsmSealer(
  calls: SealingCalls,
  join: Pick<Join, 'canary'>,
  defaultScope: Scope,
): Sealer {
  const { canary } = join
  return {
    sealing: 'hsm',
    makesKey: (scope) => (scope ?? defaultScope) === 'deposit',
    async seal({ requestId, context, scope, content, trustees }) {
      const order = {
        requestId,
        context,
        content,
        canary,
        ...(scope === undefined ? {} : { scope }),
        ...(trustees === undefined ? {} : { trustees: toKeys(trustees) }),
      }
      const reply = await calls.seal(order).catch(translate)
      return {
        stored: reply.sealed,
        hsmKeyId: reply.hsmKeyId as HsmKeyId,
        hsmKeyLabel: reply.hsmKeyLabel,
        scope: reply.scope,
        kind: reply.kind,
        newKey: reply.newKey,
      }
    },
    open: ({ requestId, context, stored, once, approval }) =>
      calls
        .open(
          { requestId, context, sealed: stored, canary, ...(approval ? { approval } : {}) },
          { once },
        )
        .catch((error: unknown) => {
          if (error instanceof DomainError && openingCodes.has(error.code)) throw error
          return translate(error)
        }),
    async discard(requestId, hsmKeyId) {
      await calls.revoke({ requestId, hsmKeyId, canary, reason: 'discard' }).catch(translate)
    },
    async revoke(requestId, hsmKeyId) {
      await calls.revoke({ requestId, hsmKeyId, canary, reason: 'purge' }).catch(translate)
    },
  }
}

function toKeys({ required, trustees }: Trustees) {
  return { required, keys: trustees.map(({ key }) => key) }
}

/** Key HSM's answer as this server's clients may hear it. A login or trust fault there is no fault of theirs. */
export function translate(thrown: unknown): never {
  const error = toDomainError(thrown)
  if (passedOn.has(error.code)) throw error
  throw new DomainError('ERR_HSM_UNAVAILABLE', 'Key HSM cannot be asked now', {
    cause: error,
    retryAfterMs: error.retryAfterMs ?? 1000,
  })
}
