/** Sealing a deposit: the five steps of the manual, in its order. @see docs/formats/sealed-deposit.md */
import {
  DomainError,
  type Fingerprint,
  hasCode,
  type HsmKeyId,
  invalidInput,
  reached,
  SecretBytes,
  type Uuid,
  withSecret,
} from '@keyhsm/core'
import {
  formatWrapBinding,
  noTrustees,
  type SealContext,
  sealContent,
  type Trustees,
} from '@keyhsm/envelope'
import {
  type CallOptions,
  type HsmKey,
  type WrappedKey,
  type WrappingKind,
  wrapAlgorithms,
  wrapProved,
} from '@keyhsm/hsm'
import { createCountedKey, discardKey } from '../keys/create-proved-key.js'
import { formatDepositLabel } from '../keys/labels.js'
import type { Scope } from '../settings.js'
import { audited, type Findings } from './audited.js'
import { type Caller, type PlacedWorkshop, within, type Workshop } from './caller.js'
import { toSealFault } from './hsm-fault.js'
import { type ProvedWrap, verifySealed } from './verify-sealed.js'

export interface SealRequest {
  readonly requestId: Uuid
  readonly context: SealContext
  /** Wiped when the operation ends. */
  readonly content: Buffer
  readonly canary: Fingerprint
  /** Absent: the setting's. */
  readonly scope?: Scope
  /** Of the HSM key; absent: the setting's. */
  readonly kind?: WrappingKind
  /** Who must approve each retrieval; absent: nobody. */
  readonly trustees?: Trustees
  /** The result is opened and compared before it is returned, also under a shared key. */
  readonly verified?: true
}

export interface Sealed {
  readonly sealed: Buffer
  readonly hsmKeyId: HsmKeyId
  readonly hsmKeyLabel: string
  readonly scope: Scope
  readonly kind: WrappingKind
  /** True when the key serves this deposit alone: whoever certainly did not store it may destroy the key. */
  readonly newKey: boolean
}

/** One seal on its way. */
export interface Sealing {
  readonly workshop: PlacedWorkshop
  readonly caller: Caller
  readonly request: SealRequest
  readonly scope: Scope
  readonly options: CallOptions
  /** A shared key that must not be used: it is to be replaced. */
  readonly avoid?: HsmKeyId
  /** A key made for this deposit alone: destroyed when the deposit is not returned. */
  ownKey?: HsmKey
}

/**
 * Seals `content` for the caller's realm.
 * @throws ERR_TOO_LARGE, ERR_WRONG_PARTITION and ERR_AUDIT_UNAVAILABLE before the HSM is touched; ERR_HSM_FULL; and
 * every error of the HSM. When it throws, no key made for this deposit is left behind as far as the HSM can be asked.
 */
export async function sealDeposit(
  workshop: Workshop,
  caller: Caller,
  request: SealRequest,
  options: CallOptions = {},
): Promise<Sealed> {
  const scope = request.scope ?? workshop.settings.scope
  let sealing: Sealing | undefined
  try {
    requireSize(request.content, workshop.settings.maxContentBytes)
    const { organisation, deposit, handle, revision } = request.context
    const operation = {
      operation: 'seal',
      requestId: request.requestId,
      actor: caller.actor,
      subject: { realm: caller.realm, organisation, deposit, handle, revision, scope },
    }
    const sealed = await audited(workshop.audit, operation, 'done', async (findings) => {
      const placed = within(workshop, request.canary)
      const started: Sealing = { workshop: placed, caller, request, scope, options }
      sealing = started
      return await seal(started, findings)
    })
    reached('seal:outcome-audited')
    return sealed
  } catch (error) {
    if (sealing) await discardOwnKey(sealing)
    throw error
  } finally {
    request.content.fill(0)
  }
}

async function seal(sealing: Sealing, findings: Findings): Promise<Sealed> {
  const { partition } = sealing.workshop
  requireKind(partition, sealing.request.kind)
  partition.requireSealable()
  reached('seal:intent-audited')
  const sealed = await partition.activity.during(() => sealWithin(sealing))
  const { hsmKeyId, hsmKeyLabel } = sealed
  const verified = sealing.request.verified ? { verified: 'opened' } : {}
  findings.subject = { hsmKeyId, hsmKeyLabel, ...verified }
  return sealed
}

/** Steps 1 to 4, without the audit. The caller ends a failed one with {@link discardOwnKey}. */
export async function sealWithin(sealing: Sealing): Promise<Sealed> {
  return await withSecret(SecretBytes.random(32), async (contentKey) => {
    const { key, ...wrap } = await wrapUnderKey(sealing, contentKey).catch((error: unknown) => {
      throw toSealFault(error)
    })
    const sealed = encrypt(sealing, key, { contentKey, ...wrap })
    reached('seal:sealed')
    if (sealing.request.verified) verify(sealing, sealed, { contentKey, ...wrap })
    return {
      sealed,
      hsmKeyId: key.id,
      hsmKeyLabel: key.label,
      scope: sealing.scope,
      kind: key.kind as WrappingKind,
      newKey: sealing.ownKey !== undefined,
    }
  })
}

/** What steps 2 and 3 give. */
interface Wrap {
  readonly key: HsmKey
  readonly wrapped: WrappedKey
  readonly binding: Buffer
}

/** Steps 2 and 3. A shared key that somebody removed is replaced once. */
async function wrapUnderKey(sealing: Sealing, contentKey: SecretBytes): Promise<Wrap> {
  const { partition } = sealing.workshop
  const key = await takeKey(sealing)
  try {
    return await wrapAndProve(sealing, key, contentKey)
  } catch (error) {
    if (sealing.ownKey || !hasCode(error, 'ERR_NOT_FOUND')) throw error
    await partition.confirmVisible(sealing.options)
    partition.ring.forget(key.id)
    return await wrapAndProve(sealing, await takeKey(sealing), contentKey)
  }
}

async function takeKey(sealing: Sealing): Promise<HsmKey> {
  const { workshop, caller, request, scope, options } = sealing
  const { partition } = workshop
  const { realm } = caller
  const { kind = partition.kind } = request
  if (scope !== 'deposit') {
    const { organisation } = request.context
    const owner =
      scope === 'service'
        ? ({ purpose: scope, realm } as const)
        : ({ purpose: scope, realm, organisation } as const)
    return await partition.ring.take(owner, options, { kind, avoid: sealing.avoid })
  }
  const label = formatDepositLabel(request.context.handle, workshop.clock.now())
  const spare =
    kind === partition.kind ? await partition.pool.take(realm, label, options) : undefined
  sealing.ownKey = spare ?? (await makeOwnKey(sealing, label, kind))
  reached('seal:key-created')
  return sealing.ownKey
}

async function makeOwnKey(
  { workshop: { partition }, caller: { realm }, options }: Sealing,
  label: string,
  kind: WrappingKind,
): Promise<HsmKey> {
  const id = partition.keys.keyIds.issue({ purpose: 'deposit', realm })
  return await createCountedKey(partition, { id, label, kind, use: 'wrap' }, options)
}

/**
 * A key of this deposit alone is proved with the very bytes that will be stored, and so is what is to be verified. Shared
 * keys were proved when made.
 */
async function wrapAndProve(
  { workshop, caller, request, options, ownKey }: Sealing,
  key: HsmKey,
  contentKey: SecretBytes,
): Promise<Wrap> {
  const { partition } = workshop
  const { hsm } = partition
  const bound = toBound(partition.keys, caller, { key, trustees: request.trustees })
  const binding = formatWrapBinding(bound, request.context)
  const wrapped =
    ownKey || request.verified
      ? await wrapProved(hsm, { id: key.id, contentKey, binding }, options)
      : await hsm.wrapKey(key.id, contentKey, binding, options)
  if (ownKey) reached('seal:key-proved')
  return { key, wrapped, binding }
}

/** Step 4. */
function encrypt(
  { workshop, caller, request, scope }: Sealing,
  key: HsmKey,
  secret: { readonly contentKey: SecretBytes; readonly wrapped: WrappedKey },
): Buffer {
  const { keys } = workshop.partition
  return sealContent({
    header: {
      ...toBound(keys, caller, { key, trustees: request.trustees }),
      wrapAlgorithm: wrapAlgorithms[secret.wrapped.algorithm].id,
      scope,
      kind: key.kind as WrappingKind,
      hsmKeyFingerprint: key.fingerprint,
      hsmKeyLabel: key.label,
      wrappedKey: secret.wrapped.bytes,
    },
    context: request.context,
    content: request.content,
    contentKey: secret.contentKey,
    authSecret: keys.kAuth,
  })
}

function verify({ workshop, caller, request }: Sealing, form: Buffer, proved: ProvedWrap): void {
  const { context, content } = request
  verifySealed({ partition: workshop.partition, caller, context }, form, { ...proved, content })
}

function toBound(
  { domain, auth }: PlacedWorkshop['partition']['keys'],
  { realm }: Caller,
  {
    key,
    trustees = noTrustees,
  }: { readonly key: HsmKey; readonly trustees?: Trustees | undefined },
) {
  return { realm, domain, authKeyId: auth.id, hsmKeyId: key.id, trustees }
}

/** Destroys the key that a failed seal made for its deposit alone. Never throws. */
export async function discardOwnKey({ workshop, ownKey }: Sealing): Promise<void> {
  if (!ownKey) return
  const outcome = await discardKey(workshop.partition, ownKey)
  if (outcome === 'left') {
    workshop.log.warn({ hsmKeyId: ownKey.id, label: ownKey.label }, 'an unused HSM key is left')
  }
}

/** @throws ERR_INVALID_INPUT for a kind that the partition's HSM cannot make. */
export function requireKind(
  { hsm }: PlacedWorkshop['partition'],
  kind: WrappingKind | undefined,
): void {
  if (kind !== undefined && !hsm.capabilities.kinds.includes(kind)) {
    throw invalidInput('kind', `must be one that the HSM can make: ${kind} is not`)
  }
}

function requireSize(content: Buffer, maxBytes: number): void {
  if (content.length > maxBytes) {
    throw new DomainError('ERR_TOO_LARGE', `content must be at most ${maxBytes} bytes`, {
      faults: [{ field: 'content', rule: `must be at most ${maxBytes} bytes` }],
    })
  }
}
