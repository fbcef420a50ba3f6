/**
 * What was done, refused and failed: each access by itself, in the hash chain first and then as a line for parsers that exist. What gives out
 * a key, changes something or is refused is answered only when its entry is on disk; the rest may be answered while it is written.
 * @see docs/decisions/0140-answers-before-the-disk.md
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
  readonly message?: string | undefined
  /** Joins an intent and its outcome. */
  readonly requestId?: string | undefined
  /** Key version or number of keys, for the chain only. */
  readonly version?: string | undefined
  readonly count?: number | undefined
  /** Instead of what the status says. */
  readonly outcome?: AuditOutcome | undefined
}

export interface AuditTrail {
  /** Resolves when the access may be answered. @throws ERR_AUDIT_UNAVAILABLE: then it may not. */
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

/** Accesses that open nothing: what they answer is no secret, or encrypted. */
const openNothing: ReadonlySet<string> = new Set([
  'GET_KEYS',
  'GET_KEYS_METADATA',
  'GET_METADATA',
  'GENERATE_EEK',
  'REENCRYPT_EEK',
  'REENCRYPT_EEK_BATCH',
])
/** As many may be answered before their entries are on disk: what a power cut can take, and what a slow disk can pile up. */
const mostAhead = 1_000

const answered = Promise.resolve()

/** Which answers wait for the disk: those that give out a key or change something, or every one. */
export type AuditWait = 'keys' | 'all'

/**
 * @param writeLine where lines in the old form go.
 * @param waitFor asked at every access.
 */
export function openAuditTrail(
  audit: Pick<Audit, 'append'>,
  clock: Clock,
  writeLine: (line: string) => void,
  waitFor: () => AuditWait = () => 'all',
): AuditTrail {
  let ahead = 0
  let failed = false
  const write = async (access: Access) => {
    try {
      await audit.append(toEntry(access, 'outcome', access.outcome ?? outcomeOf(access)))
      failed = false
    } catch (error) {
      failed = true
      throw error
    }
    writeLine(toLine(access, clock.now()))
  }
  const mayGoAhead = ({ status, op = '' }: Access) =>
    // After a failure each one waits until an entry has reached the disk again.
    status === 'OK' && !failed && ahead < mostAhead && openNothing.has(op) && waitFor() === 'keys'
  return {
    record(access) {
      if (!mayGoAhead(access)) return write(access)
      ahead += 1
      const written = () => {
        ahead -= 1
      }
      // A failure is told to the log by the audit itself, which also counts what it lost.
      write(access).then(written, written)
      return answered
    },
    async intend(access) {
      await audit.append(toEntry(access, 'intent'))
    },
  }
}

/** Field by field: an object spread into another costs as much as all the rest of an entry. */
function toEntry(
  access: Omit<Access, 'status'>,
  event: AuditEntry['event'],
  outcome?: AuditOutcome,
): AuditEntry {
  const { op = 'request', caller, requestId = newUuid(), message } = access
  return {
    event,
    operation: operationOf(op),
    requestId,
    actor: cut(caller?.user.full) ?? 'nobody',
    subject: toSubject(access),
    outcome,
    reason: outcome === undefined ? undefined : cut(message || undefined),
  }
}

/** `DECRYPT_EEK` is `decrypt-eek` in the chain. */
function operationOf(op: string): string {
  return op.toLowerCase().replaceAll('_', '-')
}

function toLine({ status, op, key, caller, message = '' }: Access, at: Date): string {
  return formatAuditLine({ status, op, key: cut(key), user: cut(caller?.user.full), message }, at)
}

function outcomeOf({ status, op = '' }: Access): AuditOutcome {
  return (status === 'OK' ? outcomeOfOp[op] : undefined) ?? outcomes[status]
}

/** Only what is known of this access. */
function toSubject(access: Omit<Access, 'status'>): Readonly<Record<string, string | number>> {
  const { key, version, count, caller, peerAddress } = access
  const subject: Record<string, string | number> = { peer: peerAddress }
  if (key !== undefined) subject['key'] = cut(key)
  if (version !== undefined) subject['version'] = cut(version)
  if (caller?.realUser !== undefined) subject['realUser'] = cut(caller.realUser.full)
  if (caller !== undefined) subject['by'] = caller.by
  if (count !== undefined) subject['count'] = count
  return subject
}

function cut(text: string): string
function cut(text: string | undefined): string | undefined
function cut(text: string | undefined): string | undefined {
  return text !== undefined && text.length > maxText ? `${text.slice(0, maxText)}…` : text
}
