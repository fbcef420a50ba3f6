/** Runs commands as a user would type them, and prints them the same way. */
import { spawn } from 'node:child_process'

/** After a command's exit: how long its pipes must say nothing until what it said is taken as whole. */
const silenceMs = 100

export class CommandFailed extends Error {
  constructor(command, result) {
    super(`${command}\nended with ${result.exit}\n${result.stdout}${result.stderr}`)
    this.result = result
  }
}

export class Shell {
  /** @type {Set<Promise<unknown>>} */
  #running = new Set()
  #closed = false

  /**
   * @param {{ env: Record<string, string>, cwd: string, print?: (line: string) => void, prompt?: string }} options
   */
  constructor({ env, cwd, print = () => {} }) {
    this.env = env
    this.cwd = cwd
    this.print = print
    /** What commands said, less what was to be returned (quiet ones, and contents by `get`): no secret may be there. */
    this.said = { 'standard error': '', 'standard output': '' }
  }

  /**
   * Takes no more commands, but those that are said to be the `last`; comes back when all that run have ended. A service that
   * was being started is up then, and can be stopped.
   */
  async close() {
    this.#closed = true
    await Promise.allSettled(this.#running)
  }

  /**
   * Runs `command` with bash; an exit other than `exit` (0) is an error. Output is printed and returned. On a closed shell it
   * never comes back: who asks is being ended, and may do nothing about it any more.
   */
  async run(command, { last = false, ...options } = {}) {
    if (this.#closed && !last) return await new Promise(() => {})
    const running = this.#run(command, options)
    this.#running.add(running)
    return await running.finally(() => this.#running.delete(running))
  }

  async #run(command, { exit = 0, input = '', quiet = false, timeoutMs = 60_000 }) {
    if (!quiet) this.print(`$ ${command}`)
    const result = await this.#spawn(command, input, timeoutMs)
    this.said['standard error'] += result.stderr
    if (!quiet && !/\bkeytrustee\b.*\bget\b/.test(command))
      this.said['standard output'] += result.stdout
    if (!quiet) for (const line of lines(result.stderr + result.stdout)) this.print(`  ${line}`)
    if (exit !== 'any' && result.exit !== exit) throw new CommandFailed(command, result)
    return result
  }

  #spawn(command, input, timeoutMs) {
    return new Promise((resolve, reject) => {
      const child = spawn('bash', ['-c', command], {
        cwd: this.cwd,
        env: { ...process.env, ...this.env },
        // A group of its own: Ctrl-C is for us, who then stop the services, and not for the command that stops them.
        detached: true,
      })
      const output = { stdout: [], stderr: [] }
      child.stdout.on('data', (chunk) => output.stdout.push(chunk))
      child.stderr.on('data', (chunk) => output.stderr.push(chunk))
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        clearTimeout(timer)
        const settle = () => {
          clearTimeout(silence)
          const stdoutBytes = Buffer.concat(output.stdout)
          resolve({
            exit: code ?? signal,
            stdout: stdoutBytes.toString(),
            stdoutBytes,
            stderr: Buffer.concat(output.stderr).toString(),
          })
          child.stdout.destroy()
          child.stderr.destroy()
        }
        // What is still in the pipes is read to their end; a daemon may keep them open, but says nothing more.
        let said = false
        // Where this process had no processor meanwhile the time is over before the pipes were looked at: once more, then.
        const look = () => {
          if (said) silence.refresh()
          else settle()
          said = false
        }
        const silence = setTimeout(() => setImmediate(look), silenceMs)
        for (const stream of [child.stdout, child.stderr]) {
          stream.on('data', () => {
            said = true
            silence.refresh()
          })
        }
        child.on('close', settle)
      })
      child.stdin.on('error', () => {})
      child.stdin.end(input)
    })
  }
}

function lines(text) {
  return text.split('\n').filter((line) => line !== '')
}

/** One argument for bash. */
export function quote(text) {
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
