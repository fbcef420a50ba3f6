/** What stands in a service's audit. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Entries of `keyhsm` or `keytrustee` after `sequence`, in order; checkpoints and headers left out. The current file is read before the
 * closed ones: a file that is closed meanwhile is read twice, not missed.
 */
export function entriesAfter(stack, service, sequence = 0) {
  const current = readEntries(auditFile(stack, service))
  const folder = join(stack.home, service, 'audit')
  const closed = readdirSync(folder)
    .filter((name) => /^audit\.\d+\.log$/.test(name))
    .flatMap((name) => readEntries(join(folder, name)))
  const bySequence = new Map([...closed, ...current].map((entry) => [entry.sequence, entry]))
  return [...bySequence.values()]
    .filter((entry) => entry.sequence > sequence)
    .sort((one, other) => one.sequence - other.sequence)
}

function readEntries(file) {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event !== undefined)
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
