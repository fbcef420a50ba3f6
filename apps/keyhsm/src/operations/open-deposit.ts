/** Opening a sealed deposit: everything that can be checked without the HSM first, then one unwrap, then the content. */
import {
  DomainError,
  type Fingerprint,
  hasCode,
  irretrievable,
  type Uuid,
  withSecret,
} from '@keyhsm/core'
import {
  formatWrapBinding,
  openContent,
  parseSealed,
  type SealContext,
  type SealedDeposit,
  type SealedHeader,
} from '@keyhsm/envelope'
import { type CallOptions, findWrapAlgorithm, type WrapAlgorithm } from '@keyhsm/hsm'
import type { KeyOwner } from '../keys/key-ids.js'
import type { Partition } from '../partition/partition.js'
import { audited, type Findings } from './audited.js'
import type { Caller, Workshop } from './caller.js'
import { type Approval, requireApproval, type UsedRequests } from './check-approval.js'
import { toUnwrapFault } from './hsm-fault.js'

export interface OpenRequest {
  readonly requestId: Uuid
  /** From where the caller read the bytes. */
  readonly context: SealContext
  readonly sealed: Buffer
  readonly canary: Fingerprint
  /** What trustees have signed, for a deposit that has some. */
  readonly approval?: Approval
}

/** One open on its way. */
interface Opening {
  readonly partition: Partition
  readonly caller: Caller
  readonly context: SealContext
  readonly findings: Findings
  readonly options: CallOptions
  readonly approval: Approval | undefined
  readonly now: Date
  readonly used: UsedRequests
}

/**
 * The content, which the caller wipes.
 * @throws ERR_IRRETRIEVABLE whatever is wrong with the deposit or its key (the audit says what); ERR_WRONG_PARTITION,
 * ERR_HSM_UNAVAILABLE and others when that cannot be known now; ERR_BUSY above the realm's rate; ERR_NOT_ALLOWED when
 * trustees must approve.
 */
export async function openDeposit(
  { partitions, audit, openRate, usedRequests: used, clock }: Workshop,
  caller: Caller,
  { requestId, context, sealed, canary, approval }: OpenRequest,
  options: CallOptions = {},
): Promise<Buffer> {
  openRate.admit(caller.realm)
  const { organisation, deposit, handle, revision } = context
  const subject = { realm: caller.realm, organisation, deposit, handle, revision }
  const operation = { operation: 'open', requestId, actor: caller.actor, subject }
  return await audited(audit, operation, 'released', async (findings) => {
    const partition = partitions.requireCanary(canary)
    const now = clock.now()
    const opening: Opening = {
      partition,
      caller,
      context,
      findings,
      options,
      approval,
      now,
      used,
    }
    try {
      const content = await partition.activity.during(() => open(opening, sealed))
      findings.withhold = () => content.fill(0)
      return content
    } catch (error) {
      throw hideIntegrity(findings, error)
    }
  })
}

async function open(opening: Opening, bytes: Buffer): Promise<Buffer> {
  const { sealed, algorithm } = readSealed(opening, bytes)
  const giveBack = takeApproval(opening, sealed.header)
  try {
    return await unseal(opening, sealed, algorithm)
  } catch (error) {
    giveBack()
    throw error
  }
}

/** Whose deposit is read from where, and the partition that it must be sealed in. */
export type OpeningPlace = Pick<Opening, 'partition' | 'caller' | 'context'>

/** An open that ends within Key HSM. */
export type OpeningWithin = OpeningPlace & Pick<Opening, 'findings' | 'options'>

/**
 * The content, which the caller wipes and must not release, and the header it was under: who must approve releases is not
 * asked. @throws as {@link openDeposit}
 */
export async function openWithin(
  opening: OpeningWithin,
  bytes: Buffer,
): Promise<{ readonly content: Buffer; readonly header: SealedHeader }> {
  try {
    const { sealed, algorithm } = readSealed(opening, bytes)
    return { content: await unseal(opening, sealed, algorithm), header: sealed.header }
  } catch (error) {
    throw hideIntegrity(opening.findings, error)
  }
}

function readSealed(
  opening: OpeningWithin,
  bytes: Buffer,
): { readonly sealed: SealedDeposit; readonly algorithm: WrapAlgorithm } {
  const sealed = parseSealed(bytes)
  const { hsmKeyId, hsmKeyLabel } = sealed.header
  opening.findings.subject = { hsmKeyId, hsmKeyLabel }
  return { sealed, algorithm: checkHeader(opening, sealed.header) }
}

async function unseal(
  opening: OpeningWithin,
  sealed: SealedDeposit,
  algorithm: WrapAlgorithm,
): Promise<Buffer> {
  const { partition, context } = opening
  return await withSecret(await unwrap(opening, sealed, algorithm), (contentKey) =>
    openContent({ sealed, context, contentKey, authSecret: partition.keys.kAuth }),
  )
}

/** Uses up what the trustees of the header approved. @returns gives it back, for when nothing was released */
function takeApproval(opening: Opening, { trustees }: SealedHeader): () => void {
  if (trustees.required === 0) return () => undefined
  const { approval, context, findings, now, used } = opening
  requireApproval(trustees, context, approval, now)
  if (!approval) return () => undefined
  findings.subject = { ...findings.subject, request: approval.request, client: approval.client }
  return used.take(approval)
}

/**
 * The checks that spare the HSM; what they pass is still only believed once the content's tag was checked.
 * @throws ERR_INTEGRITY
 */
export function checkHeader(
  { partition, caller, context }: OpeningPlace,
  header: SealedHeader,
): WrapAlgorithm {
  const { keyIds, domain } = partition.keys
  const owner = toOwner(caller, context, header)
  const algorithm = findWrapAlgorithm(header.wrapAlgorithm)
  const rules: readonly (readonly [boolean, string])[] = [
    [header.realm === caller.realm, 'sealed for another realm'],
    [header.domain === domain, 'sealed in another HSM key domain'],
    [keyIds.belongs(header.hsmKeyId, owner), 'the HSM key id is not one of this realm and scope'],
    [algorithm !== undefined, 'the wrap algorithm is not known'],
  ]
  const broken = rules.find(([holds]) => !holds)
  if (broken || !algorithm) throw new DomainError('ERR_INTEGRITY', broken?.[1] ?? 'not known')
  return algorithm
}

function toOwner({ realm }: Caller, { organisation }: SealContext, header: SealedHeader): KeyOwner {
  return header.scope === 'organisation'
    ? { purpose: 'organisation', realm, organisation }
    : { purpose: header.scope, realm }
}

async function unwrap(opening: OpeningWithin, { header }: SealedDeposit, algorithm: WrapAlgorithm) {
  const { partition, context, options } = opening
  const binding = formatWrapBinding(header, context)
  const wrapped = { algorithm, bytes: header.wrappedKey }
  try {
    return await partition.hsm.unwrapKey(header.hsmKeyId, wrapped, binding, options)
  } catch (error) {
    if (!hasCode(error, 'ERR_NOT_FOUND')) throw toUnwrapFault(error)
    // Only the partition that shows its canary can prove that a key is gone.
    await partition.confirmVisible(options)
    partition.ring.forget(header.hsmKeyId)
    opening.findings.reason = 'the HSM key is missing or was revoked'
    throw irretrievable(error)
  }
}

/** Damaged, forged and moved deposits look to the caller like revoked ones; the audit says `integrity` and why. */
function hideIntegrity(findings: Findings, error: unknown): unknown {
  if (!hasCode(error, 'ERR_INTEGRITY')) return error
  findings.outcome = 'integrity'
  findings.reason = reasonOf(error)
  return irretrievable(error)
}

/** The envelope's errors say the same to every caller; what was wrong stands in their cause. */
function reasonOf(error: DomainError): string {
  return error.cause instanceof Error ? error.cause.message : error.message
}
