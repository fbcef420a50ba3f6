/**
 * How a command that does its work itself has it written down: by the running server, under the administrator's name, or,
 * when none runs, in the audit itself.
 */
import { Transport } from '@keyhsm/client'
import { newUuid, toDomainError } from '@keyhsm/core'
import { type BodyOf, recordRoute, statusRoute } from '@keyhsm/protocol'
import {
  type Audit,
  type AuditEntry,
  type AuditHead,
  type AuditOutcome,
  daemonState,
  openAudit,
  ed25519AuditSigner,
} from '@keyhsm/service'
import { invokingUser, readAdministratorKey } from '../administrators.js'
import { outcomeOf, type Subject } from '../audited.js'
import { readPrivateText } from '../files.js'
import type { Paths } from '../paths.js'

export interface Recorder {
  /** Last entry of the audit, asked now. */
  head(): Promise<AuditHead>
  append(entry: Omit<AuditEntry, 'actor'>): Promise<void>
  close(): Promise<void>
}

/** @throws ERR_SETTINGS without an administrator's key; ERR_AUDIT_UNAVAILABLE. */
export async function openRecorder(paths: Paths, as: string | undefined): Promise<Recorder> {
  return daemonState(paths.pidFile).running ? overServer(paths, as) : openRecorderIn(paths)
}

async function overServer(paths: Paths, as: string | undefined): Promise<Recorder> {
  const signer = await readAdministratorKey(paths, as)
  const transport = new Transport({ socketPath: paths.controlSocket, signer })
  return {
    head: async () => (await transport.call(statusRoute)).auditHead,
    async append({ subject = {}, ...entry }) {
      const body = { ...entry, subject } as BodyOf<typeof recordRoute>
      await transport.call(recordRoute, { body })
    },
    close: () => transport.close(),
  }
}

/** The audit of a home whose server does not run. @throws ERR_AUDIT_UNAVAILABLE */
export async function openRecorderIn(
  paths: Pick<Paths, 'auditKey' | 'audit'>,
): Promise<Recorder & { readonly audit: Audit }> {
  const signer = ed25519AuditSigner(await readPrivateText(paths.auditKey))
  const audit = await openAudit({ directory: paths.audit, service: 'keytrustee', signer })
  return {
    audit,
    head: () => Promise.resolve(audit.head()),
    append: async (entry) => {
      await audit.append({ ...entry, actor: invokingUser })
    },
    close: () => audit.close(),
  }
}

export interface Recorded {
  readonly operation: 'backup' | 'drill' | 'restore'
  readonly subject: Subject
}

/**
 * Runs `work` between its two entries; what is learned on the way is written with the second.
 * @throws ERR_AUDIT_UNAVAILABLE, before the work or after it; what the work throws.
 */
export async function recorded<Result>(
  recorder: Pick<Recorder, 'append'>,
  { operation, subject }: Recorded,
  work: () => Promise<Result>,
  learned: (result: Result) => { readonly outcome?: AuditOutcome; readonly subject: Subject },
): Promise<Result> {
  const entry = { operation, requestId: newUuid() }
  await recorder.append({ ...entry, event: 'intent', subject })
  const result = await work().catch(async (thrown: unknown) => {
    const error = toDomainError(thrown)
    const failed = { outcome: outcomeOf(error), reason: error.code }
    // The work's error is what the caller hears.
    await recorder.append({ ...entry, event: 'outcome', subject, ...failed }).catch(() => undefined)
    throw thrown
  })
  const { outcome = 'done', subject: more } = learned(result)
  await recorder.append({ ...entry, event: 'outcome', outcome, subject: { ...subject, ...more } })
  return result
}
