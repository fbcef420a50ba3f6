/** Sealing through the joined Key HSM. What Key HSM answers is passed on; what only this server can mend is not. */
import type { KeyHsmClient, SealedDeposit } from '@keyhsm/client'
import { DomainError, type ErrorCode, hasCode, type HsmKeyId, toDomainError } from '@keyhsm/core'
import type { BodyOf, sealRoute } from '@keyhsm/protocol'
import type { Trustees } from '../policies/trustees.js'
import type { Join } from '../store/store.js'
import type { Scope, SealedContent, Sealer, SealOrder, SealOrders } from './sealer.js'

/** The calls of {@link KeyHsmClient} that sealing needs. */
export type SealingCalls = Pick<KeyHsmClient, 'seal' | 'seals' | 'open' | 'revoke'>

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

/**
 * What a Key HSM of an earlier release says to a call for several deposits: that it does not know the path, or, as it reads the
 * body first, that it is longer than those of unknown paths may be. A deposit that is too large by itself is told again alone.
 */
const notTogether: ReadonlySet<ErrorCode> = new Set(['ERR_NOT_FOUND', 'ERR_TOO_LARGE'])

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
  const placeOf = ({ requestId, scope: asked }: Pick<SealOrder, 'requestId' | 'scope'>) => {
    const scope = scopeOf(asked)
    return {
      requestId,
      canary,
      ...(scope === undefined ? {} : { scope }),
      ...(target.kind === undefined ? {} : { kind: target.kind }),
    }
  }
  const seal = async (order: SealOrder): Promise<SealedContent> =>
    toContent(await calls.seal({ ...placeOf(order), ...toSealed(order) }).catch(translate), canary)
  return {
    sealing: 'hsm',
    makesKey: (scope) => (scopeOf(scope) ?? defaultScope) === 'deposit',
    seal,
    async sealAll({ deposits, ...shared }) {
      try {
        const all = { ...placeOf(shared), deposits: deposits.map(toSealed) }
        return (await calls.seals(all)).map((one) =>
          one instanceof DomainError ? translated(one) : toContent(one, canary),
        )
      } catch (error) {
        if (!(error instanceof DomainError && notTogether.has(error.code))) throw translated(error)
        const each = deposits.map((one) => seal({ ...shared, ...one }).catch(toDomainError))
        return await Promise.all(each)
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
    async revoke(requestId, { id: hsmKeyId, canary: holder = canary }, reason, proof) {
      const order = { requestId, hsmKeyId, canary: holder, reason }
      const shown = proof && {
        context: proof.context,
        sealed: proof.stored,
        canary: proof.canary ?? canary,
      }
      await calls.revoke({ ...order, ...(shown ? { proof: shown } : {}) }).catch(translateRevoking)
    },
  }
}

/** As {@link translate}, but what is true of the deposit for ever is passed on. */
export function translateOpening(error: unknown): never {
  if (error instanceof DomainError && openingCodes.has(error.code)) throw error
  return translate(error)
}

/** As {@link translate}, but a refusal is told: asking again changes nothing, and a person has to know. */
function translateRevoking(error: unknown): never {
  if (!hasCode(error, 'ERR_NOT_ALLOWED') && !hasCode(error, 'ERR_NOT_FOUND'))
    return translate(error)
  throw new DomainError('ERR_NOT_ALLOWED', error.message, { cause: error, hints: error.hints })
}

/** The trustees as Key HSM takes them. */
export function toKeys({ required, trustees }: Trustees) {
  return { required, keys: trustees.map(({ key }) => key) }
}

function toContent(
  { sealed: stored, hsmKeyId, hsmKeyLabel, scope, kind, newKey }: SealedDeposit,
  canary: Join['canary'],
): SealedContent {
  return { stored, hsmKeyId: hsmKeyId as HsmKeyId, hsmKeyLabel, scope, kind, canary, newKey }
}

function toSealed({ context, content, trustees }: SealOrders['deposits'][number]) {
  return { context, content, ...(trustees === undefined ? {} : { trustees: toKeys(trustees) }) }
}

/** Throws {@link translated}. */
export function translate(thrown: unknown): never {
  throw translated(thrown)
}

/** Key HSM's answer as this server's clients may hear it. A login or trust fault there is no fault of theirs. */
function translated(thrown: unknown): DomainError {
  const error = toDomainError(thrown)
  if (passedOn.has(error.code)) return error
  return new DomainError('ERR_HSM_UNAVAILABLE', 'Key HSM cannot be asked now', {
    cause: error,
    retryAfterMs: error.retryAfterMs ?? 1000,
  })
}
