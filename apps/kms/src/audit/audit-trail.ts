/**
 * What was done, refused and failed: each access by itself, in the hash chain first and then as a line for parsers that exist. A request is
 * answered only when its entry is on disk.
 */
import { type Clock, newUuid } from '@keyhsm/core'
import type { Audit, AuditEntry, AuditOutcome } from '@keyhsm/service'
import type { Caller } from '../authentication/caller.js'
import { type AuditStatus, formatAuditLine } from './audit-line.js'

/** One access. */
export interface Access {
  readonly status: AuditStatus
  /** As the original calls it: `DECRYPT_EEK`, `CREATE_KEY`, … */
  readonly op?: string | undefined
  readonly key?: string | undefined
  readonly caller?: Caller | undefined
  readonly peerAddress: string
  /** What follows the brackets of the line. */
  readonly message?: string
  /** Joins an intent and its outcome. */
  readonly requestId?: string
  /** Key version or number of keys, for the chain only. */
  readonly version?: string | undefined
  readonly count?: number | undefined
  /** Instead of what the status says. */
  readonly outcome?: AuditOutcome
}

export interface AuditTrail {
  /** Resolves when it is on disk. @throws ERR_AUDIT_UNAVAILABLE: then nothing may be answered. */
  record(access: Access): Promise<void>
  /** Before a change: that it is about to happen. */
  intend(access: Omit<Access, 'status'>): Promise<void>
}

/** Names longer than this are cut: an entry has its limit, and callers send what they like. */
const maxText = 300

const outcomes: Readonly<Record<AuditStatus, AuditOutcome>> = {
  OK: 'done',
  UNAUTHORIZED: 'refused',
  UNAUTHENTICATED: 'refused',
  ERROR: 'refused',
}
const outcomeOfOp: Readonly<Record<string, AuditOutcome>> = {
  DECRYPT_EEK: 'released',
  GET_KEY_VERSION: 'released',
  GET_KEY_VERSIONS: 'released',
  GET_CURRENT_KEY: 'released',
  CREATE_KEY: 'stored',
  ROLL_NEW_VERSION: 'stored',
  IMPORT_KEY: 'stored',
  EXPORT_KEY: 'released',
}

/** @param writeLine where lines in the old form go. */
export function openAuditTrail(
  audit: Pick<Audit, 'append'>,
  clock: Clock,
  writeLine: (line: string) => void,
): AuditTrail {
  return {
    async record(access) {
      const outcome = access.outcome ?? outcomeOf(access)
      await audit.append({ ...toEntry(access), event: 'outcome', outcome, ...reasonOf(access) })
      const { status, op, key, caller, message = '' } = access
      const line = { status, op, key: cut(key), user: cut(caller?.user.full), message }
      writeLine(formatAuditLine(line, clock.now()))
    },
    async intend(access) {
      await audit.append({ ...toEntry(access), event: 'intent' })
    },
  }
}

function outcomeOf({ status, op = '' }: Access): AuditOutcome {
  return (status === 'OK' ? outcomeOfOp[op] : undefined) ?? outcomes[status]
}

function toEntry(access: Omit<Access, 'status'>): Omit<AuditEntry, 'event'> {
  const { op = 'request', caller, requestId } = access
  return {
    operation: op.toLowerCase().replaceAll('_', '-'),
    requestId: requestId ?? newUuid(),
    actor: cut(caller?.user.full) ?? 'nobody',
    subject: toSubject(access),
  }
}

/** Only what is known of this access. */
function toSubject(access: Omit<Access, 'status'>): Readonly<Record<string, string | number>> {
  const { key, version, count, caller, peerAddress } = access
  const subject: Record<string, string | number> = { peer: peerAddress }
  const texts = { key, version, realUser: caller?.realUser?.full, by: caller?.by }
  for (const [name, text] of Object.entries(texts)) {
    const shown = cut(text)
    if (shown !== undefined) subject[name] = shown
  }
  if (count !== undefined) subject['count'] = count
  return subject
}

function reasonOf({ message }: Access): { readonly reason?: string } {
  return message ? { reason: cut(message) ?? '' } : {}
}

function cut(text: string | undefined): string | undefined {
  return text !== undefined && text.length > maxText ? `${text.slice(0, maxText)}…` : text
}
