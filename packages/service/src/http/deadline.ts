/** How long a handler may take, and how it learns that its answer is not wanted any more. */
import type { ServerResponse } from 'node:http'
import { DomainError } from '@keyhsm/core'

/**
 * Runs `work` until it is done or `deadlineMs` have passed. Its signal is aborted then, and also when the caller goes away.
 * @throws ERR_BUSY at the deadline, whether or not `work` obeys the signal; what it does later is dropped.
 */
export async function withinDeadline<Result>(
  deadlineMs: number,
  response: ServerResponse,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const abort = new AbortController()
  const gone = () => {
    if (!response.writableFinished)
      abort.abort(new DomainError('ERR_UNAVAILABLE', 'the caller went away'))
  }
  response.once('close', gone)
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const late = new DomainError('ERR_BUSY', 'the request took too long', { retryAfterMs: 1_000 })
      abort.abort(late)
      reject(late)
    }, deadlineMs)
  })
  try {
    return await Promise.race([work(abort.signal), expired])
  } finally {
    clearTimeout(timer)
    response.off('close', gone)
  }
}
