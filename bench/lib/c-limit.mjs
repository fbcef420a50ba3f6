/** Builds limit.c where there is a compiler, and runs it on the raw process's token. */
import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What limit.c knows; the other raw operations are measured from JavaScript only. */
export const cOperations = ['rsa-2048 decrypt', 'ec-p256 derive', 'aes-256 decrypt']

/** The program's path, or undefined with a note when it cannot be built. */
export function buildLimit(bench) {
  const program = join(bench.folder, 'limit')
  const source = fileURLToPath(new URL('../limit.c', import.meta.url))
  const { status } = spawnSync('cc', ['-O2', '-o', program, source, '-ldl', '-lpthread'])
  if (status === 0) return program
  bench.notes.push('no figures from C: limit.c could not be built with `cc`')
  return undefined
}

/** @returns {Promise<{ rate: number, cpuMs: number }>} */
export function runLimit(program, { library, label, pin, env }, { operation, threads, forMs }) {
  return new Promise((resolve, reject) => {
    const args = [library, label, operation, `${threads}`, `${forMs}`]
    const child = execFile(program, args, { env: { ...process.env, ...env } }, (error, stdout) => {
      if (error) return reject(error)
      const [rate, cpuMs] = stdout.split(' ').map(Number)
      resolve({ rate, cpuMs })
    })
    child.stdin.end(`${pin}\n`)
  })
}
