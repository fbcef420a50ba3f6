/**
 * Whether what a migration stored was opened from its new form before: the present forms stand in the database, and each
 * reseal (which opens what it made), seal and open in Key HSM's own audit.
 */
import { entriesAfter, lastSequence } from '../faults/lib/audit.mjs'
import { sql } from '../faults/lib/database.mjs'

const formsMovedSince = (instant) => `
  select r.deposit, r.revision, r.hsm_key_id, to_char(r.sealed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  from keytrustee.revisions r join keytrustee.deposits d on d.uuid = r.deposit
  where d.state in ('active', 'disabled') and r.sealing = 'hsm'
    and r.sealed_at > r.created_at and r.sealed_at >= '${instant}'`

/** Outcomes of Key HSM that prove that it has opened a form under its HSM key. */
const proofs = {
  reseal: ({ outcome }) => outcome === 'done',
  seal: ({ outcome, subject }) => outcome === 'done' && subject.verified === 'opened',
  open: ({ outcome }) => outcome === 'released',
}

/** Sealed forms that came about by moving since `since`, and those of them that Key HSM had not opened before. */
export function findUnverified(stack, { instant, sequence }) {
  const moved = sql(stack, formsMovedSince(instant))
  const done = entriesAfter(stack, 'keyhsm', sequence).filter(({ event }) => event === 'outcome')
  const opened = new Map()
  for (const { operation, outcome, subject = {}, at } of done) {
    if (!proofs[operation]?.({ outcome, subject })) continue
    const key = keyOf([subject.deposit, subject.revision, subject.hsmKeyId])
    opened.set(key, [...(opened.get(key) ?? []), at])
  }
  const unverified = moved.filter(
    (row) => !(opened.get(keyOf(row)) ?? []).some((at) => at <= row[3]),
  )
  return { moved: moved.length, unverified: unverified.map((row) => row.join(' ')) }
}

/** A moment to look back to. */
export function markNow(stack) {
  return { instant: new Date().toISOString(), sequence: lastSequence(stack, 'keyhsm') }
}

function keyOf([deposit, revision, hsmKeyId]) {
  return `${deposit}/${revision}/${hsmKeyId}`
}
