/**
 * Sealing a sealed deposit anew: under another HSM key, of another scope or kind, in another partition. Its content is opened
 * and sealed here and released to nobody, so no trustee is asked and the new header names the same ones.
 */
import { type Fingerprint, reached, type Uuid } from '@keyhsm/core'
import type { SealContext } from '@keyhsm/envelope'
import type { CallOptions, WrappingKind } from '@keyhsm/hsm'
import type { Scope } from '../settings.js'
import { audited, type Findings } from './audited.js'
import { type Caller, type PlacedWorkshop, within, type Workshop } from './caller.js'
import { type OpeningWithin, openWithin } from './open-deposit.js'
import {
  discardOwnKey,
  requireKind,
  type Sealed,
  type Sealing,
  sealWithin,
} from './seal-deposit.js'

export interface ResealRequest {
  readonly requestId: Uuid
  readonly context: SealContext
  readonly sealed: Buffer
  /** Of the partition it is sealed in. */
  readonly canary: Fingerprint
  readonly target: ResealTarget
}

export interface ResealTarget {
  readonly canary: Fingerprint
  /** Absent: the settings'. */
  readonly scope?: Scope
  readonly kind?: WrappingKind
  /** Under another HSM key than now, also where the scope shares one. */
  readonly otherKey: boolean
}

/** One reseal on its way. */
interface Resealing {
  readonly workshop: Workshop
  readonly caller: Caller
  readonly request: ResealRequest
  readonly options: CallOptions
  readonly findings: Findings
}

/**
 * The new sealed form, opened once and compared before it is returned; the old one stays as good as it was.
 * @throws what opening and what sealing throw; ERR_BUSY above the realm's rate of reseals. When it throws, no key made for this deposit is left behind as far as the
 * HSM can be asked.
 */
export function resealDeposit(
  workshop: Workshop,
  caller: Caller,
  request: ResealRequest,
  options: CallOptions = {},
): Promise<Sealed> {
  workshop.resealRate.admit(caller.realm)
  const { organisation, deposit, handle, revision } = request.context
  const operation = {
    operation: 'reseal',
    requestId: request.requestId,
    actor: caller.actor,
    subject: { realm: caller.realm, organisation, deposit, handle, revision },
  }
  return audited(workshop.audit, operation, 'done', async (findings) => {
    const resealing = { workshop, caller, request, options, findings }
    const source = within(workshop, request.canary)
    const target = within(workshop, request.target.canary)
    requireKind(target.partition, request.target.kind)
    target.partition.requireSealable()
    return await source.partition.activity.during(() =>
      target.partition.activity.during(() => reseal(resealing, source, target)),
    )
  })
}

async function reseal(
  o: Resealing,
  source: PlacedWorkshop,
  target: PlacedWorkshop,
): Promise<Sealed> {
  const opened = await openWithin(openingOf(o, source), o.request.sealed)
  reached('reseal:opened')
  const sealing: Sealing = {
    ...sealingOf(o, target),
    request: {
      ...o.request,
      ...o.request.target,
      content: opened.content,
      trustees: opened.header.trustees,
      verified: true,
    },
    ...(o.request.target.otherKey ? { avoid: opened.header.hsmKeyId } : {}),
  }
  try {
    const sealed = await sealWithin(sealing)
    reached('reseal:verified')
    o.findings.subject = {
      formerHsmKeyId: opened.header.hsmKeyId,
      hsmKeyId: sealed.hsmKeyId,
      hsmKeyLabel: sealed.hsmKeyLabel,
      scope: sealed.scope,
    }
    return sealed
  } catch (error) {
    await discardOwnKey(sealing)
    throw error
  } finally {
    opened.content.fill(0)
  }
}

function openingOf(
  { caller, request: { context }, findings, options }: Resealing,
  { partition }: PlacedWorkshop,
): OpeningWithin {
  return { partition, caller, context, findings, options }
}

function sealingOf(
  { caller, request, options }: Resealing,
  workshop: PlacedWorkshop,
): Omit<Sealing, 'request'> {
  const scope = request.target.scope ?? workshop.settings.scope
  return { workshop, caller, scope, options }
}
