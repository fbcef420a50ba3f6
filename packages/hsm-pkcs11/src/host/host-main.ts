/**
 * Entry of the host process. It is started by `service/host-process.ts` with an IPC channel and nothing in its arguments;
 * when the channel closes, whoever started it is gone and it goes too.
 */
import { DomainError } from '@keyhsm/core'
import type { HostMessage, ServiceMessage, StartMessage } from '../messages.js'
import { toWireError } from '../wire-error.js'
import { Host } from './host.js'
import { JobError } from './scheduler.js'
import { type StartedLibrary, startLibrary } from './start-library.js'
import { TokenLock } from './token-lock.js'
import { WorkerPool } from './worker-pool.js'

/** What a running write may take to end before the process ends over it. */
const closeLimitMs = 2000

let host: Host | undefined
let library: StartedLibrary | undefined
let ending = false

function send(message: HostMessage): void {
  if (process.connected) process.send?.(message)
}

async function start(message: StartMessage): Promise<void> {
  let beforeLogin = true
  const lock = message.sharing && new TokenLock(message.sharing.lockName)
  const onLost = (reason: string) => send({ type: 'give-up', reason })
  const pool = new WorkerPool(message.workers, onLost)
  try {
    // Starting is a write: SoftHSM rewrites the token object at each login.
    await lockToken(lock, message)
    library = await startLibrary(message, () => {
      beforeLogin = false
      send({ type: 'logging-in' })
    })
    host = await Host.start({ start: message, library, pool, lock, send })
  } catch (error) {
    lock?.release()
    const known = error instanceof JobError ? error.error : error
    send({ type: 'failed', error: toWireError(known), beforeLogin })
  } finally {
    message.pin.fill(0)
  }
}

async function lockToken(lock: TokenLock | undefined, { profile }: StartMessage): Promise<void> {
  const held = await lock?.acquire(AbortSignal.timeout(profile.limits.startMs))
  if (held !== false) return
  throw new DomainError(
    'ERR_HSM_UNAVAILABLE',
    'another process holds the token and does not let go',
  )
}

/** Ends without a write cut in two where that can be helped; native code may refuse to end, so the end is SIGKILL. */
async function end(): Promise<void> {
  if (ending) return
  ending = true
  await host?.close(closeLimitMs)
  try {
    library?.cryptoki.C_Finalize()
  } catch {
    // The library is left as it is; the process ends.
  }
  process.kill(process.pid, 'SIGKILL')
}

function take(message: ServiceMessage): void {
  if (message.type === 'calls') for (const call of message.calls) host?.take(call)
  else if (message.type === 'ping') send({ type: 'pong' })
  else if (message.type === 'cancel') host?.cancel(message.call)
  else if (message.type === 'start') void start(message)
  else void end()
}

process.on('message', (message) => take(message as ServiceMessage))
process.on('disconnect', () => void end())
// The service process decides when this one ends; a terminal's Ctrl-C reaches both.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
