import { type Io, printFields, printTable } from '@keyhsm/command-line'
import type { planMigrationRoute, ReplyOf } from '@keyhsm/protocol'

type Plan = ReplyOf<typeof planMigrationRoute>

/** A dry run for people: counts, room in the HSM, what is in the way, warnings. */
export function printPlan(plan: Plan, io: Io): void {
  const { source, target, deposits, revisions, contentBytes, hsmKeys, capacity, fits } = plan
  printFields(
    {
      from: source,
      to: target,
      deposits,
      revisions,
      'content bytes': contentBytes,
      'HSM keys needed': hsmKeys,
      'HSM keys there': `${capacity.used} of ${capacity.limit ?? 'an unknown number'}`,
      room: `${fits ? 'enough' : 'NOT ENOUGH'}${capacity.room === undefined ? '' : `: for ${capacity.room} more`}`,
      'cannot be moved': plan.offending,
      'get another name': plan.renamed === 0 ? undefined : plan.renamed,
    },
    io,
  )
  if (plan.offenders.length > 0)
    printTable(plan.offenders, ['handle', 'reason', 'suggestion', 'deposit'], io)
  if (plan.offenders.some(({ suggestion }) => suggestion !== undefined))
    io.hint(
      'give them other names: --map FILE, with a line for each: its uuid, a space, its new name',
    )
  for (const warning of plan.warnings) io.words(`warning: ${warning}`)
}
