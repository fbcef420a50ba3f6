/**
 * The process that loads SoftHSM for the raw measurement. Like the product's: the main thread initialises with
 * CKF_OS_LOCKING_OK and holds the login, threads make the calls. Forked; ends when its channel closes.
 */
import { createHistogram } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import pkcs11js from 'pkcs11js'
import { makeKeys } from './raw-operations.mjs'

const {
  library: path,
  label,
  pin,
} = await new Promise((resolve) => process.once('message', resolve))
const library = new pkcs11js.PKCS11()
library.load(path)
library.C_Initialize({ flags: pkcs11js.CKF_OS_LOCKING_OK })
const slot = library
  .C_GetSlotList(true)
  .find((one) => library.C_GetTokenInfo(one).label.trim() === label)
const flags = pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION
const anchor = library.C_OpenSession(slot, flags)
library.C_Login(anchor, pkcs11js.CKU_USER, pin)
const keys = makeKeys(library, anchor)
const threads = []

process.on('message', (order) => void measure(order))
process.on('disconnect', () => process.exit(0))
process.send({ ready: true })

/** Resolves when the thread has its session. */
function startThread() {
  const worker = new Worker(new URL('./raw-thread.mjs', import.meta.url), {
    workerData: { library: path, slot, keys },
  })
  worker.on('error', (error) => {
    process.send({ error: error.message })
  })
  return new Promise((resolve) => worker.once('message', () => resolve(worker)))
}

async function measure({ number, operation, threads: count, forMs, warmMs }) {
  while (threads.length < count) threads.push(await startThread())
  await runThreads(count, { operation, forMs: warmMs })
  const before = process.cpuUsage()
  const results = await runThreads(count, { operation, forMs })
  const { user, system } = process.cpuUsage(before)
  const merged = createHistogram({ figures: 3 })
  let rate = 0
  let failed = 0
  for (const result of results) {
    merged.add(result.histogram)
    rate += (result.histogram.count - result.failed) / (result.elapsedMs / 1000)
    failed += result.failed
  }
  const p50Ms = merged.percentile(50) / 1e6
  const p99Ms = merged.percentile(99) / 1e6
  const cpuMs = (user + system) / 1000 / merged.count
  process.send({ number, result: { rate, p50Ms, p99Ms, cpuMs, failed } })
}

function runThreads(count, order) {
  return Promise.all(
    threads.slice(0, count).map((worker) => {
      const result = new Promise((resolve) => worker.once('message', resolve))
      worker.postMessage(order)
      return result
    }),
  )
}
