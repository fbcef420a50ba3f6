/** What the log of another service recorded of this one: heads that must still be in it. */
import { DomainError } from '@keyhsm/core'
import type { AuditHead } from './audit.js'
import { readLogId } from './log-id.js'
import { verifyAudit } from './verify-audit.js'

/**
 * The heads of the log in `directory` that the log in `witness` (the audit folder of another service, or a copy of one)
 * recorded, for `expectAtLeast` of {@link verifyAudit}.
 * @throws ERR_NOT_FOUND when the witness never recorded this log, or one of the two is no audit folder; ERR_INTEGRITY when the
 * witness is itself faulty.
 */
export async function findSeenHeads(
  directory: string,
  witness: string,
): Promise<readonly AuditHead[]> {
  const id = await readLogId(directory)
  if (id === undefined) throw new DomainError('ERR_NOT_FOUND', 'this audit has no name (audit.id)')
  const { ok, anchors } = await verifyAudit({ directory: witness })
  if (!ok) {
    const hints = ['verify that audit first, with the command of its service']
    throw new DomainError('ERR_INTEGRITY', 'the audit that shall bear witness is faulty', { hints })
  }
  const heads = Object.entries(anchors).filter(([name]) => idOf(name) === id)
  if (heads.length > 0) return heads.map(([, head]) => head)
  throw new DomainError(
    'ERR_NOT_FOUND',
    `the other audit never recorded a head of this one (${id})`,
  )
}

/** `SERVICE/ID` or `SERVICE/ID@REALM`. */
function idOf(name: string): string | undefined {
  return name.split('/')[1]?.split('@')[0]
}
