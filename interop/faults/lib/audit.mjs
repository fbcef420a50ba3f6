/** What stands in a service's audit. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Entries of `keyhsm` or `keytrustee` after `sequence`, in order; checkpoints and headers left out. */
export function entriesAfter(stack, service, sequence = 0) {
  return readFileSync(auditFile(stack, service), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter((entry) => entry.event !== undefined && entry.sequence > sequence)
}

/** Sequence of the newest entry. Key HSM writes one before it asks the HSM: unchanged means that it was not asked. */
export function lastSequence(stack, service) {
  return entriesAfter(stack, service).at(-1)?.sequence ?? 0
}

export function auditFile(stack, service) {
  return join(stack.home, service, 'audit', 'audit.log')
}

/** Runs `work` and says whether Key HSM was asked meanwhile. */
export async function watchHsm(stack, work) {
  const before = lastSequence(stack, 'keyhsm')
  const result = await work()
  return { result, untouched: lastSequence(stack, 'keyhsm') === before }
}
