/**
 * The life of a service in this process: pid file, start, ready, signals, stop. Which process is parent of which, and
 * whether a terminal or a service manager looks on, is not its business.
 */
import { DomainError, errorTraits, toDomainError } from '@keyhsm/core'
import type { Log } from '../log.js'
import type { Reloaded } from '../reload-route.js'
import { notifySystemd, startWatchdog } from './notify-systemd.js'
import { type HeldPidFile, holdPidFile } from './pid-file.js'
import { sendToParent, toErrorText } from './ready-message.js'

export interface RunningService {
  /** One line for who started it, e.g. `keyhsm is ready on 127.0.0.1:9090`. */
  readonly ready: string
  /** Drains and stops within `timeoutMs`. */
  stop(timeoutMs: number): Promise<void>
  /** Builds the whole new state and swaps; rejects and keeps the old state when that fails. */
  reload(): Promise<Reloaded>
}

/** What the inside of a service may ask of the process around it. */
export interface ProcessRequests {
  /** Ends the service as SIGTERM does, with another limit for draining. */
  stop(timeoutMs: number): void
  /** Reloads as SIGHUP does, and says what came of it. @throws what the reload failed with; ERR_BUSY before it is ready */
  reload(): Promise<Reloaded>
}

export interface ForegroundOptions {
  readonly name: string
  readonly pidFile: string
  start(requests: ProcessRequests): Promise<RunningService>
  readonly log: Log
  /** What a stop may take, drain included. Default 10,000. */
  readonly stopTimeoutMs?: number
}

const stopSignals = ['SIGTERM', 'SIGINT'] as const
type StopSignal = (typeof stopSignals)[number]
/** Why the service ends, and how long it may drain where that was said. */
interface StopOrder {
  readonly by: StopSignal | 'request'
  readonly timeoutMs?: number
}
/** Given on top of the service's own limit before the process ends without it. */
const graceMs = 2_000

/** Signals as something to wait for, from before the service starts. */
class Signals {
  readonly stopped: Promise<StopOrder>
  #stop: (order: StopOrder) => void = () => undefined
  #onReload: () => void = () => undefined
  readonly #listeners: [NodeJS.Signals, () => void][] = []

  constructor(onSecondStop: () => void) {
    let first = true
    this.stopped = new Promise((resolve) => {
      this.#stop = resolve
      for (const signal of stopSignals) {
        this.#listen(signal, () => {
          if (first) resolve({ by: signal })
          else onSecondStop()
          first = false
        })
      }
    })
    this.#listen('SIGHUP', () => this.#onReload())
  }

  stop(timeoutMs: number): void {
    this.#stop({ by: 'request', timeoutMs })
  }

  onReload(reload: () => void): void {
    this.#onReload = reload
  }

  release(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener)
  }

  #listen(signal: NodeJS.Signals, listener: () => void): void {
    this.#listeners.push([signal, listener])
    process.on(signal, listener)
  }
}

/** One reload at a time; whoever asks during one, however many, gets exactly one more. */
function makeReload(o: ForegroundOptions, service: RunningService): () => Promise<Reloaded> {
  let current: Promise<unknown> = Promise.resolve()
  let next: Promise<Reloaded> | undefined
  const run = async (): Promise<Reloaded> => {
    await notifySystemd('RELOADING=1')
    try {
      const reloaded = await service.reload()
      o.log.info({}, 'reloaded')
      return reloaded
    } catch (error) {
      o.log.error({ error }, 'reload failed, the old state stays in use')
      throw error
    } finally {
      await notifySystemd('READY=1')
    }
  }
  return () => {
    next ??= current.then(() => {
      next = undefined
      const turn = run()
      current = turn.catch(() => undefined)
      return turn
    })
    return next
  }
}

async function stopWithin(
  o: ForegroundOptions,
  service: RunningService,
  limitMs: number,
): Promise<number> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DomainError('ERR_UNAVAILABLE', `did not stop within ${limitMs + graceMs} ms`))
    }, limitMs + graceMs)
  })
  try {
    await Promise.race([service.stop(limitMs), late])
    o.log.info({}, 'stopped')
    return 0
  } catch (error) {
    o.log.error({ error }, 'stop failed')
    return errorTraits.ERR_INTERNAL.exit
  } finally {
    clearTimeout(timer)
  }
}

/** Started and then stopped by a signal; a signal that comes during the start is obeyed right after it. */
async function serve(o: ForegroundOptions, signals: Signals): Promise<number> {
  let reload: () => Promise<Reloaded> = () =>
    Promise.reject(new DomainError('ERR_BUSY', 'the service is not ready yet'))
  const service = await o.start({
    stop: (timeoutMs) => signals.stop(timeoutMs),
    reload: () => reload(),
  })
  reload = makeReload(o, service)
  // What came of it is in the log.
  signals.onReload(() => void reload().catch(() => undefined))
  o.log.info({ pid: process.pid }, service.ready)
  await sendToParent({ ready: true, text: service.ready })
  // The parent has what it waited for: from now on the two processes have nothing to do with each other.
  if (process.connected) process.disconnect()
  await notifySystemd('READY=1', `STATUS=${service.ready}`)
  const endWatchdog = startWatchdog()
  const { by, timeoutMs } = await signals.stopped
  endWatchdog()
  o.log.info({ signal: by }, 'stopping')
  await notifySystemd('STOPPING=1')
  return stopWithin(o, service, timeoutMs ?? o.stopTimeoutMs ?? 10_000)
}

/** A service in an unknown state must not go on: logged, told, ended. */
function endOnUncaught(o: ForegroundOptions): () => void {
  const end = (thrown: unknown): void => {
    o.log.error({ error: thrown }, 'unexpected error, the process ends')
    const limit = setTimeout(() => process.exit(errorTraits.ERR_INTERNAL.exit), 500)
    void sendToParent({ error: toErrorText(toDomainError(thrown)) }).then(() => {
      clearTimeout(limit)
      process.exit(errorTraits.ERR_INTERNAL.exit)
    })
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
  return () => {
    process.off('uncaughtException', end)
    process.off('unhandledRejection', end)
  }
}

/**
 * Runs a service until SIGTERM or SIGINT; SIGHUP reloads. Files made from here on are for this user alone.
 * @returns the exit status: 0 after a clean stop, the error's own when it did not start, 70 when it did not stop. A
 * second stop signal ends the process at once with 70, and so does an uncaught error.
 */
export async function runInForeground(o: ForegroundOptions): Promise<number> {
  process.umask(0o077)
  const forget = endOnUncaught(o)
  const signals = new Signals(() => process.exit(errorTraits.ERR_INTERNAL.exit))
  let held: HeldPidFile | undefined
  try {
    held = await holdPidFile(o.name, o.pidFile)
    return await serve(o, signals)
  } catch (thrown) {
    const error = toDomainError(thrown)
    o.log.error({ error }, `${o.name} did not start`)
    await sendToParent({ error: toErrorText(error) })
    return errorTraits[error.code].exit
  } finally {
    await held?.release()
    signals.release()
    forget()
  }
}
