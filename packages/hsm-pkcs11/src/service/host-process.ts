/**
 * One host process: started without core dumps, spoken to over IPC, ended by SIGKILL when it does not end by itself. The
 * PIN goes over the channel, never in arguments or environment.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { CallTuple, HostMessage, ServiceMessage, StartMessage } from '../messages.js'
import type { Environment } from './host-environment.js'

/** What the host process is started in. */
export interface HostSurroundings {
  readonly environment: Environment
  /** Put before the host's own command; empty without one. */
  readonly launcher: readonly string[]
}

export interface HostEvents {
  readonly onMessage: (message: HostMessage) => void
  readonly onExit: (how: string) => void
  /** A line that the library printed. */
  readonly onOutput: (line: string) => void
}

/** Small heaps and no collector threads: the host holds a few kilobytes at a time (observed: 78 MiB instead of 83). */
const nodeOptions = [
  '--max-semi-space-size=1',
  '--max-old-space-size=256',
  '--single-threaded-gc',
  '--no-warnings',
]
const shell = '/bin/sh'
/** exec keeps pid and channel; the limit is inherited by nothing else. */
const withoutCoreDumps = 'ulimit -c 0; exec "$0" "$@"'

export class HostProcess {
  readonly #child: ChildProcess
  #calls: CallTuple[] = []

  constructor(start: StartMessage, surroundings: HostSurroundings, events: HostEvents) {
    this.#child = spawnHost(surroundings)
    this.#child.on('message', (message) => events.onMessage(message as HostMessage))
    this.#child.once('error', (error) => events.onExit(`not started: ${error.name}`))
    this.#child.once('exit', (code, signal) => events.onExit(signal ?? `exit status ${code}`))
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) createInterface(stream).on('line', events.onOutput)
    }
    this.send(start)
  }

  /** Process id; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Sends at once. A channel that is closed already is noticed by `onExit`. */
  send(message: ServiceMessage): void {
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  /** Sends with the other calls of this turn of the event loop. */
  call(call: CallTuple): void {
    this.#calls.push(call)
    if (this.#calls.length === 1) setImmediate(() => this.#flush())
  }

  /** Works on a stopped and on a hung process alike. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #flush(): void {
    const calls = this.#calls
    this.#calls = []
    this.send({ type: 'calls', calls })
  }
}

function spawnHost({ environment, launcher }: HostSurroundings): ChildProcess {
  const entry = new URL('../host/host-main.js', import.meta.url)
  const limited = existsSync(shell)
  return fork(entry, [], {
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...environment },
    execPath: limited ? shell : process.execPath,
    execArgv: limited
      ? ['-c', withoutCoreDumps, ...launcher, process.execPath, ...nodeOptions]
      : [...nodeOptions],
  })
}
