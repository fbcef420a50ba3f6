/** One thread of the raw measurement: a session of its own, synchronous calls in a tight loop. */
import { createHistogram } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import pkcs11js from 'pkcs11js'
import { rawOperations } from './raw-operations.mjs'

const { library: path, slot, keys } = workerData
const library = new pkcs11js.PKCS11()
library.load(path)
const flags = pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION
const session = library.C_OpenSession(Buffer.from(slot), flags)
const handles = withBuffers(keys)

let prepared
parentPort.on('message', ({ operation, forMs }) => {
  if (prepared?.operation !== operation)
    prepared = { operation, run: rawOperations[operation].prepare(library, session, handles) }
  parentPort.postMessage(loop(prepared.run, forMs))
})
parentPort.postMessage('up')

/** SoftHSM fails some of two generations at once: those are counted apart. */
function loop(run, forMs) {
  const histogram = createHistogram({ figures: 3 })
  const began = performance.now()
  let at = began
  let failed = 0
  while (at - began < forMs) {
    try {
      run()
    } catch (error) {
      failed += 1
      if (failed > 1000) throw error
    }
    const now = performance.now()
    histogram.record(Math.max(1, Math.round((now - at) * 1e6)))
    at = now
  }
  return { histogram, elapsedMs: at - began, failed }
}

function withBuffers(value) {
  if (value instanceof Uint8Array) return Buffer.from(value)
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withBuffers(one)]))
}
