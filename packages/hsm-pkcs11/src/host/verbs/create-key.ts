import { DomainError, type HsmKeyId } from '@keyhsm/core'
import type { KeySpec, WrappingKind } from '@keyhsm/hsm'
import type { Findings } from '../../messages.js'
import { type RunVerb, toFacts } from './verb-context.js'

/** Ids that are being made in this process, so that two calls for one id do not both find it free. */
const beingMade = new Set<HsmKeyId>()

/** Makes a key. @throws ERR_ALREADY_EXISTS; ERR_HSM_NOT_SUPPORTED for a kind this token lacks. */
export const createKey: RunVerb<'create'> = async (context, spec, control) => {
  const { directory, findings, profile, scheduler } = context
  ensureSupported(findings, spec)
  if (directory.knows(spec.id) || beingMade.has(spec.id)) {
    throw new DomainError('ERR_ALREADY_EXISTS', 'there is an HSM key with this id')
  }
  beingMade.add(spec.id)
  try {
    const { rsaKeyPairGen, aes } = findings
    const choices = { differences: profile.templates, rsaKeyPairGen, aes }
    const made = await scheduler.submit('createKey', { spec, choices }, control)
    directory.add(spec.id, made.handles, made.description)
    return toFacts(spec.id, made.description)
  } finally {
    beingMade.delete(spec.id)
  }
}

function ensureSupported({ kinds, wrapAlgorithms }: Findings, { kind, use }: KeySpec): void {
  const wraps = use !== 'wrap' || wrapAlgorithms[kind as WrappingKind] !== undefined
  if (kinds.includes(kind) && wraps) return
  throw new DomainError('ERR_HSM_NOT_SUPPORTED', `this HSM makes no ${kind} keys that ${use}`)
}
