/** The new forms of a batch: several calls at once, and in each as many deposits as Key HSM takes. */
import { DomainError, type ErrorCode, toDomainError, type Uuid } from '@keyhsm/core'
import { maxMoved } from '@keyhsm/protocol'
import type { ToMove } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { MigrationOrder } from './migration-order.js'
import { carryOut, type Moved, moveIntoHsm, type MoveWays } from './move-revision.js'

/** What became of one revision. */
export interface Fate extends ToMove {
  readonly moved?: Moved
  /** Why not. */
  readonly error?: DomainError
  swapped?: boolean
}

/** What is true of the deposit and will not change by waiting. */
export const ofTheDeposit: ReadonlySet<ErrorCode> = new Set([
  'ERR_IRRETRIEVABLE',
  'ERR_INTEGRITY',
  'ERR_NOT_ALLOWED',
  'ERR_TOO_LARGE',
  'ERR_NOT_JOINED',
])

/** Deposits on their way at once; Key HSM's queue is for everybody. */
const concurrentMoves = 32
/** Content in one call, with that of one deposit above. */
const callBytes = 1024 * 1024

interface Desk {
  readonly trustee: Pick<Trustee, 'grants'>
  readonly ways: MoveWays
}

/** In the order of the batch. After the first fault that is none of a deposit nothing more is asked for. */
export async function makeForms(
  { trustee: { grants }, ways }: Desk,
  { to, sealedBefore }: Pick<MigrationOrder, 'to' | 'sealedBefore'>,
  requestId: Uuid,
  batch: readonly ToMove[],
): Promise<readonly Fate[]> {
  const fates = new Map<ToMove, Fate>()
  const ours = ({ deposit, revision }: ToMove) =>
    grants.believesDeposit(deposit) &&
    revision.uuid === grants.revisionUuid(deposit.uuid, revision.revision)
  for (const one of batch) if (!ours(one)) fates.set(one, { ...one, error: notOurs() })
  const left = batch.filter((one) => !fates.has(one))
  const perCall = to.sealing === 'hsm' ? maxMoved : 1
  const calls = toCalls(left, perCall)
  let troubled: DomainError | undefined
  const note = (one: ToMove, result: Moved | DomainError) => {
    const failed = result instanceof DomainError
    if (failed && !ofTheDeposit.has(result.code)) troubled = result
    fates.set(one, failed ? { ...one, error: result } : { ...one, moved: result })
  }
  const move = async (some: readonly ToMove[]) => {
    const order = { requestId, otherKey: sealedBefore !== undefined }
    if (to.sealing === 'hsm') return await moveIntoHsm(ways, { ...order, to }, some)
    return await Promise.all(some.map((one) => carryOut(ways, requestId, one)))
  }
  const worker = async (): Promise<void> => {
    for (let some = calls.shift(); some; some = calls.shift()) {
      const before = troubled
      const results = before
        ? some.map(() => before)
        : await move(some).catch((error: unknown) => some.map(() => toDomainError(error)))
      for (const [index, one] of some.entries()) note(one, results[index] ?? unanswered())
    }
  }
  await Promise.all(Array.from({ length: Math.ceil(concurrentMoves / perCall) }, worker))
  return batch.map((one) => fates.get(one) ?? { ...one, error: unanswered() })
}

function toCalls(batch: readonly ToMove[], perCall: number): ToMove[][] {
  const calls: ToMove[][] = []
  let bytes = 0
  for (const one of batch) {
    const call = calls.at(-1)
    bytes += one.revision.contentBytes
    if (call && call.length < perCall && bytes <= callBytes) call.push(one)
    else {
      calls.push([one])
      bytes = one.revision.contentBytes
    }
  }
  return calls
}

function notOurs(): DomainError {
  return new DomainError('ERR_INTEGRITY', 'the row is not as this server wrote it')
}

function unanswered(): DomainError {
  return new DomainError('ERR_HSM_UNAVAILABLE', 'Key HSM did not say what became of a deposit')
}
