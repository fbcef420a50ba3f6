/**
 * What must be shown before a deposit's own key is destroyed because rows of a database say so: whoever writes rows could name
 * another deposit's key. Orders of an administrator (`revoke`, `prune`) and keys just made (`discard`, `test`) need none.
 *
 * @see docs/decisions/0187-keys-shown-before-destroyed.md
 */
import { DomainError, type Fingerprint, hasCode, type HsmKeyId, invalidInput } from '@keyhsm/core'
import { parseSealed, type SealContext, type SealedHeader } from '@keyhsm/envelope'
import type { CallOptions } from '@keyhsm/hsm'
import type { Findings } from './audited.js'
import { type Caller, within, type Workshop } from './caller.js'
import { openWithin } from './open-deposit.js'

/** Sealed bytes, and from where they were read. */
export interface KeyProof {
  readonly context: SealContext
  readonly sealed: Buffer
  /** Of the partition they are sealed in. */
  readonly canary: Fingerprint
}

export type RevokeReason = 'discard' | 'migrate' | 'prune' | 'purge' | 'revoke' | 'test'

interface Rule {
  readonly shows: (header: SealedHeader, hsmKeyId: HsmKeyId) => boolean
  readonly words: string
}

/** `purge` gives up what opens under exactly this key; `migrate` the former key of what opens under another one. */
const rules: Readonly<Partial<Record<RevokeReason, Rule>>> = {
  purge: {
    shows: (header, hsmKeyId) => header.scope === 'deposit' && header.hsmKeyId === hsmKeyId,
    words: 'the deposit shown has another HSM key',
  },
  migrate: {
    shows: (header, hsmKeyId) => header.hsmKeyId !== hsmKeyId,
    words: 'the deposit shown still needs this HSM key',
  },
}

export interface ProofDesk {
  readonly workshop: Workshop
  readonly caller: Caller
  readonly findings: Findings
  readonly options: CallOptions
}

export interface ToProve {
  readonly reason: RevokeReason
  readonly hsmKeyId: HsmKeyId
  readonly proof?: KeyProof
}

/**
 * Opens what is shown, within Key HSM: no trustee is asked, and the content is wiped at once.
 * @returns `gone` when the device does not hold the key that the deposit shown would need, which is the one asked about: then
 * nothing may be destroyed, and nothing has to be
 * @throws ERR_NOT_ALLOWED when it does not show that the key may go (the audit says why); the codes of opening for being
 * unable to ask
 */
export async function requireProof(
  desk: ProofDesk,
  { reason, hsmKeyId, proof }: ToProve,
): Promise<'proved' | 'gone'> {
  const rule = rules[reason]
  if (!rule && proof) throw invalidInput('proof', `is not for the reason ${reason}`)
  if (!rule) return 'proved'
  if (!proof) throw nothingShown(reason)
  const header = await openShown(desk, proof, hsmKeyId).catch((error: unknown) => {
    if (!hasCode(error, 'ERR_IRRETRIEVABLE')) throw error
    if (reason === 'purge' && keyMissing(error) && nameOf(proof) === hsmKeyId) return undefined
    throw notShown(error)
  })
  if (!header) return 'gone'
  if (rule.shows(header, hsmKeyId)) return 'proved'
  desk.findings.reason = rule.words
  throw notShown()
}

/** The header, authenticated together with the context. */
async function openShown(
  { workshop, caller, findings, options }: ProofDesk,
  { context, sealed, canary }: KeyProof,
  hsmKeyId: HsmKeyId,
): Promise<SealedHeader> {
  const { partition } = within(workshop, canary)
  const shown: Findings = {}
  const opening = { partition, caller, context, findings: shown, options }
  try {
    const { content, header } = await partition.activity.during(() => openWithin(opening, sealed))
    content.fill(0)
    return header
  } catch (error) {
    if (shown.reason !== undefined) findings.reason = `the deposit shown: ${shown.reason}`
    throw error
  } finally {
    const named = shown.subject?.['hsmKeyId']
    if (named !== undefined && named !== hsmKeyId)
      findings.subject = { ...findings.subject, shownHsmKeyId: named }
  }
}

/** Whether the device was asked to unwrap, and has no such key: {@link openWithin} looked for its canary then. */
function keyMissing(error: DomainError): boolean {
  return hasCode(error.cause, 'ERR_NOT_FOUND')
}

/** What an unauthenticated header names: enough to know which key was missing. */
function nameOf({ sealed }: KeyProof): HsmKeyId {
  return parseSealed(sealed).header.hsmKeyId
}

function nothingShown(reason: RevokeReason): DomainError {
  return new DomainError('ERR_NOT_ALLOWED', 'no deposit is shown that this HSM key may go for', {
    hints: [`a Trustee Server of an older release shows none with ${reason}: upgrade it`],
  })
}

function notShown(cause?: unknown): DomainError {
  return new DomainError(
    'ERR_NOT_ALLOWED',
    'the sealed bytes do not show that this HSM key may be destroyed',
    { cause },
  )
}
