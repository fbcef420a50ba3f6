/** Runs every check there is; none stops the others. */
import { toDomainError } from '@keyhsm/core'
import { type Check, type CheckedFinding, fault, type Patient, skipped } from './check.js'
import { surroundingsChecks } from './check-certificates.js'
import { fileChecks } from './check-files.js'
import { serverChecks } from './check-server.js'

export const checks: readonly Check[] = [...fileChecks, ...surroundingsChecks, ...serverChecks]

/** In the order of the table. */
export async function examine(
  patient: Patient,
  table: readonly Check[] = checks,
): Promise<readonly CheckedFinding[]> {
  const found: CheckedFinding[] = []
  for (const check of table)
    for (const finding of await runOne(check, patient))
      found.push({ check: check.name, ...finding })
  return found
}

async function runOne(check: Check, patient: Patient) {
  try {
    const found = await check.run(patient)
    return found.length > 0 ? found : [skipped('the settings cannot be read')]
  } catch (error) {
    const { message, hints, faults } = toDomainError(error)
    const named = faults.map(({ field, rule }) => `${field} ${rule}`)
    const detail = [...message.split('\n'), ...named].join('; ')
    return [fault(detail, hints.join('; ') || 'see the log')]
  }
}
