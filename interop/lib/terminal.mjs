/** A person at a terminal: `lib/terminal.py` does what Node cannot, which is to open a pseudo-terminal. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('terminal.py', import.meta.url))

/**
 * @param {{ argv: string[], env: Record<string, string>, cwd: string, uid?: number, gid?: number,
 *   turns: { prompt: string, type: string | { key: string }, anywhere?: boolean }[], seconds: number }} order
 * @returns {Promise<{ screen: string, exit: number, unasked: string[] }>}
 */
export function atTerminal(order) {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] })
    const chunks = []
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    child.on('error', reject)
    child.on('exit', (code) =>
      code === 0
        ? resolve(JSON.parse(Buffer.concat(chunks).toString()))
        : reject(new Error(`terminal.py ended with ${code}`)),
    )
    child.stdin.end(JSON.stringify(order))
  })
}
