/** Sealing through the joined Key HSM. What Key HSM answers is passed on; what only this server can mend is not. */
import type { KeyHsmClient } from '@keyhsm/client'
import { DomainError, type ErrorCode, type HsmKeyId, toDomainError } from '@keyhsm/core'
import type { BodyOf, sealRoute } from '@keyhsm/protocol'
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

/** How new deposits are sealed, where that is not Key HSM's own setting. */
export interface SealTarget {
  readonly scope?: Scope
  readonly kind?: HsmKeyKind
  /** While deposits are moved: what a client asks for itself would have to be moved again. */
  readonly fixed?: true
}

export type HsmKeyKind = NonNullable<BodyOf<typeof sealRoute>['kind']>

export function createKeyHsmSealer(
  calls: SealingCalls,
  join: Pick<Join, 'canary'> & { readonly target?: SealTarget },
  defaultScope: Scope,
): Sealer {
  const { canary, target = {} } = join
  const scopeOf = (asked: Scope | undefined) =>
    target.fixed ? (target.scope ?? asked) : (asked ?? target.scope)
  return {
    sealing: 'hsm',
    makesKey: (scope) => (scopeOf(scope) ?? defaultScope) === 'deposit',
    async seal({ requestId, context, scope: asked, content, trustees }) {
      const scope = scopeOf(asked)
      const order = {
        requestId,
        context,
        content,
        canary,
        ...(scope === undefined ? {} : { scope }),
        ...(target.kind === undefined ? {} : { kind: target.kind }),
        ...(trustees === undefined ? {} : { trustees: toKeys(trustees) }),
      }
      const reply = await calls.seal(order).catch(translate)
      return {
        stored: reply.sealed,
        hsmKeyId: reply.hsmKeyId as HsmKeyId,
        hsmKeyLabel: reply.hsmKeyLabel,
        scope: reply.scope,
        kind: reply.kind,
        canary,
        newKey: reply.newKey,
      }
    },
    open: ({ requestId, context, stored, canary: holder = canary, once, approval }) =>
      calls
        .open(
          {
            requestId,
            context,
            sealed: stored,
            canary: holder,
            ...(approval ? { approval } : {}),
          },
          { once },
        )
        .catch(translateOpening),
    async revoke(requestId, { id: hsmKeyId, canary: holder = canary }, reason) {
      await calls.revoke({ requestId, hsmKeyId, canary: holder, reason }).catch(translate)
    },
  }
}

/** As {@link translate}, but what is true of the deposit for ever is passed on. */
export function translateOpening(error: unknown): never {
  if (error instanceof DomainError && openingCodes.has(error.code)) throw error
  return translate(error)
}

/** The trustees as Key HSM takes them. */
export function toKeys({ required, trustees }: Trustees) {
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
