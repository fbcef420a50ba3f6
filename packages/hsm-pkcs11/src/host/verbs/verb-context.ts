import { DomainError } from '@keyhsm/core'
import type { KeyUse } from '@keyhsm/hsm'
import type { Findings } from '../../messages.js'
import type { KeyFacts, Verbs } from '../../verbs.js'
import type { Pkcs11Profile } from '../../profile.js'
import type { CallControl } from '../job-queue.js'
import type { KeyDescription } from '../jobs/describe-key.js'
import type { KeyDirectory } from '../key-directory.js'
import type { Scheduler } from '../scheduler.js'

/** What every verb works with. */
export interface VerbContext {
  readonly scheduler: Scheduler
  readonly directory: KeyDirectory
  readonly profile: Pkcs11Profile
  readonly findings: Findings
}

/** One verb: it may throw JobError or DomainError. */
export type RunVerb<Name extends keyof Verbs> = (
  context: VerbContext,
  args: Verbs[Name]['args'],
  control: CallControl,
) => Promise<Verbs[Name]['result']>

/** @throws ERR_HSM_REFUSED unless the key has this use. */
export function ensureUse(description: KeyDescription, use: KeyUse): void {
  if (description.use === use) return
  throw new DomainError('ERR_HSM_REFUSED', `this HSM key may not ${use}`)
}

/** The facts that travel to the service, copied: answers are wiped once they are sent. */
export function toFacts(id: KeyFacts['id'], description: KeyDescription): KeyFacts {
  const { label, kind, use, publicKey } = description
  return { id, label, kind, use, publicKey: publicKey && Buffer.from(publicKey) }
}
