/** Shared by the lifecycle tests: a home for one service and the service that lives there. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach } from 'vitest'
import { findProcess, isAlive, readPidFile } from '../../src/lifecycle/pid-file.js'
import type { DaemonOptions } from '../../src/lifecycle/start-daemon.js'

export const serviceProgram = fileURLToPath(
  new URL('../fixtures/service-child.mjs', import.meta.url),
)

export class Home {
  path = ''
  readonly children: ChildProcess[] = []

  get pidFile(): string {
    return join(this.path, 'service.pid')
  }

  read(name: string): string {
    const path = join(this.path, name)
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  events(): string[] {
    return this.read('events').split('\n').slice(0, -1)
  }

  daemon(behaviour: string, more: Partial<DaemonOptions> = {}): DaemonOptions {
    return {
      name: 'service',
      entry: serviceProgram,
      args: [this.path, behaviour],
      pidFile: this.pidFile,
      readyTimeoutMs: 10_000,
      logFile: join(this.path, 'service.out'),
      ...more,
    }
  }

  /** Runs the service in the foreground of a child; resolves with its exit status. */
  foreground(behaviour: string, env: NodeJS.ProcessEnv = {}) {
    const child = spawn(process.execPath, [serviceProgram, this.path, behaviour], {
      stdio: 'ignore',
      env: { ...process.env, ...env },
    })
    this.children.push(child)
    const ended = new Promise<number | string>((resolve) => {
      child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))
    })
    return { child, ended }
  }
}

/** A home for each test; what still runs in it afterwards is killed by its pid. */
export function useHome(): Home {
  const home = new Home()
  beforeEach(() => {
    home.path = mkdtempSync(join(tmpdir(), 'lifecycle-'))
  })
  afterEach(() => {
    const named = readPidFile(home.pidFile)
    if (named && isAlive(named)) process.kill(named.pid, 'SIGKILL')
    for (const child of home.children.splice(0)) {
      if (child.pid !== undefined && findProcess(child.pid)) child.kill('SIGKILL')
    }
    rmSync(home.path, { recursive: true })
  })
  return home
}
