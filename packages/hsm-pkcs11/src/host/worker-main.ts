/** Entry of a worker thread: one session, one job at a time, synchronous calls. The main thread owns everything else. */
import { parentPort } from 'node:worker_threads'
import { withBuffers, withExactBytes, wipeBytes } from './exact-bytes.js'
import { loadCryptoki } from './load-cryptoki.js'
import type { JobMessage, WorkerMessage, WorkerSetup } from './worker-messages.js'
import { startFailure, WorkerSession } from './worker-session.js'

function post(message: WorkerMessage): void {
  const exact = withExactBytes(message)
  parentPort?.postMessage(exact)
  wipeBytes(exact)
}

async function open(setup: WorkerSetup): Promise<void> {
  try {
    const session = new WorkerSession(await loadCryptoki(setup.library), setup)
    parentPort?.on('message', (raw: JobMessage) => serve(session, withBuffers(raw) as JobMessage))
    post({ type: 'up' })
  } catch (error) {
    post({ type: 'down', failure: startFailure(error, setup.profile) })
  }
}

function serve(session: WorkerSession, message: JobMessage): void {
  const { job } = message
  const outcome = session.run(message)
  const { stamps } = outcome
  if (outcome.ok) {
    post({ type: 'done', job, result: outcome.result, stamps })
    wipeBytes(outcome.result)
  } else post({ type: 'failed', job, failure: outcome.failure, stamps })
  wipeBytes(message.args)
}

parentPort?.once('message', (raw: WorkerSetup) => void open(withBuffers(raw) as WorkerSetup))
