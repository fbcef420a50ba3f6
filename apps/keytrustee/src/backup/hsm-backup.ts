/** When the HSM was backed up last, as an administrator says: nothing here can see it. One file beside the database. */
import { DomainError, type Uuid } from '@keyhsm/core'
import { writeFileAtomically } from '@keyhsm/service'
import { audited } from '../audited.js'
import { readOptionalText } from '../files.js'
import type { Trustee } from '../trustee.js'

export interface HsmBackup {
  readonly at: Date
  readonly reportedBy: string
}

/** Undefined before the first report. @throws ERR_SETTINGS for a file that cannot be read. */
export async function readHsmBackup(file: string): Promise<HsmBackup | undefined> {
  const text = await readOptionalText(file)
  if (text === undefined) return undefined
  try {
    const { at, reportedBy } = JSON.parse(text) as Record<string, unknown>
    const instant = new Date(String(at))
    if (typeof reportedBy === 'string' && !Number.isNaN(instant.getTime()))
      return { at: instant, reportedBy }
  } catch {
    // Falls through to the one error.
  }
  throw new DomainError('ERR_SETTINGS', 'hsm-backup.json is damaged', {
    hints: ['report the last backup of the HSM again: ktadmin hsm-backup-done --at TIME'],
  })
}

/** @throws ERR_INVALID_INPUT for an instant that is still to come. */
export async function reportHsmBackup(
  trustee: Pick<Trustee, 'audit' | 'clock'>,
  o: { readonly requestId: Uuid; readonly actor: string; readonly at: Date; readonly file: string },
): Promise<void> {
  const { requestId, actor, at, file } = o
  if (at > trustee.clock.now())
    throw new DomainError('ERR_INVALID_INPUT', 'a backup cannot have been made in the future', {
      faults: [{ field: 'at', rule: 'must not be in the future' }],
    })
  const subjects = [{ at: at.toISOString() }]
  const operation = { operation: 'hsm-backup', requestId, actor, subjects }
  const text = `${JSON.stringify({ at: at.toISOString(), reportedBy: actor })}\n`
  await audited(trustee.audit, operation, 'done', () => writeFileAtomically(file, text, 0o600))
}
