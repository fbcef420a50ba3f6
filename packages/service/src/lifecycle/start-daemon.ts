/** Starts a service as a process of its own and waits until it says that it is ready, or why not. */
import { type ChildProcess, fork } from 'node:child_process'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { DomainError } from '@keyhsm/core'
import { toFileError } from '../file-errors.js'
import { alreadyRunning, daemonState } from './pid-file.js'
import { fromErrorText, parseReadyMessage } from './ready-message.js'

export interface DaemonOptions {
  readonly name: string
  /** JavaScript file that ends up in `runInForeground`. */
  readonly entry: string
  /** Never a secret: any user can read them. */
  readonly args: readonly string[]
  readonly pidFile: string
  readonly readyTimeoutMs: number
  /** Gets what the process itself prints (a crash of Node, a native library); made with mode 0600. */
  readonly logFile: string
  /** A secret for the process, which it reads from its standard input. */
  readonly input?: string
  /** Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv
}

type Answer =
  | { readonly text: string }
  | { readonly error: DomainError }
  | { readonly exit: number | string }
  | { readonly late: true }

/** The first thing that happens: an answer, the end of the process, or nothing for too long. */
function firstAnswer(child: ChildProcess, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve({ late: true }), timeoutMs)
    const settle = (answer: Answer): void => {
      clearTimeout(timer)
      resolve(answer)
    }
    child.on('message', (message) => {
      const answer = parseReadyMessage(message)
      if (answer) settle('ready' in answer ? answer : { error: fromErrorText(answer.error) })
    })
    child.on('exit', (code, signal) => settle({ exit: code ?? signal ?? 'unknown' }))
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(new DomainError('ERR_INTERNAL', 'cannot start a process', { cause: error }))
    })
  })
}

/** What the process printed after `from`: its first lines, because what follows is mostly a stack. */
async function printedWords(logFile: string, from: number): Promise<readonly string[]> {
  const bytes = await readFile(logFile).catch(() => Buffer.alloc(0))
  const lines = bytes.toString('utf8', from).split('\n')
  return lines.filter((line) => line.trim() !== '').slice(0, 6)
}

async function toResult(o: DaemonOptions, answer: Answer, from: number): Promise<string> {
  if ('text' in answer) return answer.text
  if ('error' in answer) throw answer.error
  const [what, code] =
    'late' in answer
      ? ([`was not ready within ${o.readyTimeoutMs} ms`, 'ERR_UNAVAILABLE'] as const)
      : ([`ended with ${answer.exit} before it was ready`, 'ERR_INTERNAL'] as const)
  const words = await printedWords(o.logFile, from)
  throw new DomainError(code, `${o.name} ${what}`, { hints: words.map((line) => `log: ${line}`) })
}

async function openLog(path: string): Promise<FileHandle> {
  return open(path, 'a', 0o600).catch((error: unknown) => {
    throw toFileError(error, 'the log file')
  })
}

/** Waits for the end of a process that failed, and helps after `patienceMs`. */
function endOf(child: ChildProcess, patienceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** A process that said why it failed is left to clean up behind itself; one that said nothing is not waited for. */
const cleanUpMs = 3_000

async function runUntilReady(
  o: DaemonOptions,
  log: FileHandle,
): Promise<{ child: ChildProcess; text: string }> {
  const from = (await log.stat()).size
  const child = fork(o.entry, o.args, {
    detached: true,
    stdio: [o.input === undefined ? 'ignore' : 'pipe', log.fd, log.fd, 'ipc'],
    env: o.env ?? process.env,
    execArgv: [],
  })
  // A process that ended before it read says why in its own way.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(o.input)
  const answer = await firstAnswer(child, o.readyTimeoutMs)
  if (!('text' in answer)) await endOf(child, 'error' in answer ? cleanUpMs : 0)
  return { child, text: await toResult(o, answer, from) }
}

/**
 * Starts the service and waits for it. When it does not get ready it is not left behind.
 * @throws ERR_ALREADY_EXISTS when it runs; what the service itself failed with; ERR_UNAVAILABLE when it says nothing in
 * time; ERR_INTERNAL when it ends without a word (hints hold what it printed).
 */
export async function startDaemon(o: DaemonOptions): Promise<{ pid: number; text: string }> {
  if (daemonState(o.pidFile).running) throw alreadyRunning(o.name, o.pidFile)
  const log = await openLog(o.logFile)
  try {
    const { child, text } = await runUntilReady(o, log)
    if (child.connected) child.disconnect()
    child.unref()
    return { pid: child.pid ?? 0, text }
  } finally {
    await log.close()
  }
}
