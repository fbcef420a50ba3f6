/** Entry of a worker thread: one session, one job at a time, synchronous calls. The main thread owns everything else. */
import { parentPort, workerData } from 'node:worker_threads'
import { withBuffers, withExactBytes, wipeBytes } from './exact-bytes.js'
import { loadCryptoki } from './load-cryptoki.js'
import type { JobMessage, WorkerMessage, WorkerSetup } from './worker-messages.js'
import { startFailure, WorkerSession } from './worker-session.js'

const setup = withBuffers(workerData) as WorkerSetup

function post(message: WorkerMessage): void {
  const exact = withExactBytes(message)
  parentPort?.postMessage(exact)
  wipeBytes(exact)
}

function serve(session: WorkerSession): void {
  parentPort?.on('message', (raw: JobMessage) => {
    const message = withBuffers(raw) as JobMessage
    const { job } = message
    const outcome = session.run(message)
    const { stamps } = outcome
    if (outcome.ok) {
      post({ type: 'done', job, result: outcome.result, stamps })
      wipeBytes(outcome.result)
    } else post({ type: 'failed', job, failure: outcome.failure, stamps })
    wipeBytes(message.args)
  })
}

try {
  const cryptoki = await loadCryptoki(setup.library)
  serve(new WorkerSession(cryptoki, setup))
  post({ type: 'up' })
} catch (error) {
  post({ type: 'down', failure: startFailure(error, setup.profile) })
}
