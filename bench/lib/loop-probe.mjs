/**
 * Loaded into the services with `node --import`: measures how late their event loop is and, when asked, what it does.
 * Answers on a socket `<KEYHSM_BENCH_PROBE>/<pid>.sock`; one order a connection.
 */
import { chmodSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const folder = process.env.KEYHSM_BENCH_PROBE
/** Length of the sampling timer, part of each sample; subtracted. */
const samplingMs = 2

// A service is forked with a channel; the commands that start and ask it are not.
if (folder && isMainThread && process.send) listen()

function listen() {
  const delay = monitorEventLoopDelay({ resolution: samplingMs })
  delay.enable()
  let session
  const orders = {
    reset: () => delay.reset(),
    read: () => ({ p50Ms: late(delay.percentile(50)), p99Ms: late(delay.percentile(99)) }),
    async profile() {
      session = new Session()
      session.connect()
      await session.post('Profiler.enable')
      await session.post('Profiler.setSamplingInterval', { interval: 200 })
      await session.post('Profiler.start')
    },
    async profiled(name) {
      const { profile } = await session.post('Profiler.stop')
      session.disconnect()
      const file = join(folder, `${name}.cpuprofile`)
      writeFileSync(file, JSON.stringify(profile))
      return { file }
    },
  }
  const answer = async (socket, text) => {
    const [order, argument] = text.trim().split(' ')
    socket.end(JSON.stringify((await orders[order]?.(argument)) ?? {}))
  }
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (data) => void answer(socket, data.toString()))
  })
  const path = join(folder, `${process.pid}.sock`)
  server.listen(path, () => chmodSync(path, 0o666))
  server.unref()
}

function late(nanoseconds) {
  return Math.max(0, nanoseconds / 1e6 - samplingMs)
}
