/**
 * The heads of two audits, each recorded in the other: whoever cuts or rewrites one of them has to do the same to the log of
 * another service, which runs as another user and is signed by the HSM.
 */
import type { Audit, AuditHead } from '@keyhsm/service'
import type { Caller } from './caller.js'

/** A head and the log it belongs to. */
export interface NamedHead extends AuditHead {
  /** 16 hex digits. */
  readonly log: string
}

/** Records the caller's head, under its realm: nobody speaks for another's log. @returns the head of this audit after that */
export async function exchangeHeads(
  audit: Audit,
  { realm }: Caller,
  { log, sequence, hash }: NamedHead,
): Promise<NamedHead> {
  const head = await audit.anchor(`keytrustee/${log}@${realm}`, sequence, hash)
  return { log: audit.id, ...head }
}
