/** The process of `bare-server.mjs`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./bare-server.mjs', import.meta.url))

/**
 * @param {{ tls?: { key: string, cert: string }, answers: Record<string, string> }} options body by path
 * @returns {Promise<{ port: number, pid: number, stop(): void }>}
 */
export async function startBareServer(options) {
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.write(`${JSON.stringify(options)}\n`)
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  return { port: Number(line), pid: child.pid, stop: () => child.stdin.end() }
}
