/** The process of `bare-server.mjs`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./bare-server.mjs', import.meta.url))

/**
 * @param {{
 *   tls?: { key: string, cert: string, ca?: string },
 *   answers: Record<string, string>,
 *   asks?: { port: number, ca: string, cert: string, key: string, path: string, body: unknown },
 * }} options body by path; with `ca`, clients must show a certificate; `asks` is asked before each answer
 * @returns {Promise<{ port: number, pid: number, stop(): void }>}
 * @throws Error when it ends before it listens, e.g. because the pair is none
 */
export async function startBareServer(options) {
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  // It may be gone when we tell it something: its exit says so.
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(options)}\n`)
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the bare server ended with ${code ?? signal}`)
  })
  const listening = once(createInterface({ input: child.stdout }), 'line')
  const [line] = await Promise.race([listening, ended])
  // Later its clients notice: their connections end.
  ended.catch(() => {})
  return { port: Number(line), pid: child.pid, stop: () => child.stdin.end() }
}
