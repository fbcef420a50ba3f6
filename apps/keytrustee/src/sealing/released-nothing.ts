import { ConnectionFault } from '@keyhsm/client'
import { DomainError } from '@keyhsm/core'

/**
 * Whether a failed open certainly released nothing: Key HSM answered with an error, or never saw the request. A connection
 * that broke, an answer that was not understood and our own faults leave it open.
 */
export function releasedNothing(thrown: unknown): boolean {
  let error = thrown
  for (let depth = 0; depth < 8 && error instanceof Error; depth += 1) {
    if (error instanceof ConnectionFault) return !error.mayHaveBeenProcessed
    if (!(error instanceof DomainError) || error.code === 'ERR_INTERNAL') return false
    if (error.cause === undefined || !isOurs(error.cause)) return true
    error = error.cause
  }
  return false
}

/** What else stands in a cause explains the error and is no step of the way to Key HSM. */
function isOurs(cause: unknown): boolean {
  return cause instanceof ConnectionFault || cause instanceof DomainError
}
