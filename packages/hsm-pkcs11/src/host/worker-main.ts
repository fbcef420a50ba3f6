/** Entry of a worker thread: one session, one job at a time, synchronous calls. The main thread owns everything else. */
import { parentPort } from 'node:worker_threads'
import { unlessBusy } from './busy-device.js'
import { withBuffers, withExactBytes, wipeBytes } from './exact-bytes.js'
import { jobTable } from './jobs/job-table.js'
import { loadCryptoki } from './load-cryptoki.js'
import type { JobMessage, WorkerMessage, WorkerSetup } from './worker-messages.js'
import { startFailure, WorkerSession } from './worker-session.js'

/** Results that come within this time travel together: a message costs as much as a symmetric operation. */
const gatherMs = 0.15

let gathered: WorkerMessage[] = []
/**
 * Content keys, shared secrets and MACs, wiped once the answers are sent. Nothing else may be: the jobs of one message can
 * share a handle, because cloning keeps identity.
 */
let secrets: unknown[] = []

function flush(): void {
  if (gathered.length === 0) return
  parentPort?.postMessage(gathered)
  wipeBytes(secrets)
  gathered = []
  secrets = []
}

function answer(message: WorkerMessage): void {
  gathered.push(message)
}

async function open(setup: WorkerSetup): Promise<void> {
  try {
    const cryptoki = await loadCryptoki(setup.library)
    const session = await unlessBusy(setup.profile, () => new WorkerSession(cryptoki, setup))
    parentPort?.on('message', (raw: JobMessage[]) => serveAll(session, raw))
    answer({ type: 'up' })
  } catch (error) {
    answer({ type: 'down', failure: startFailure(error, setup.profile) })
  }
  flush()
}

function serveAll(session: WorkerSession, raw: readonly JobMessage[]): void {
  let flushedAt = performance.now()
  for (const job of raw) {
    serve(session, withBuffers(job) as JobMessage)
    if (performance.now() - flushedAt < gatherMs) continue
    flush()
    flushedAt = performance.now()
  }
  flush()
}

function serve(session: WorkerSession, message: JobMessage): void {
  const { job, name } = message
  const outcome = session.run(message)
  const { stamps } = outcome
  const { secret } = jobTable[name]
  if (secret === 'input') secrets.push((message.args as { input: Buffer }).input)
  if (outcome.ok) {
    const result = withExactBytes(outcome.result)
    if (secret === 'result') secrets.push(outcome.result, result)
    answer({ type: 'done', job, result, stamps })
  } else answer({ type: 'failed', job, failure: outcome.failure, stamps })
}

parentPort?.once('message', (raw: WorkerSetup) => void open(withBuffers(raw) as WorkerSetup))
