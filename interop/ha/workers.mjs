/** Clients that work while faults happen, and what they leave behind. */
import { spawn } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Stop } from '../../scripts/lib/say.mjs'

/** Longer without a put after all is mended, and the installation has not recovered. */
const recoverMs = 90_000

/** Waits for a put that began after now. @returns how long it took, in ms */
export async function acknowledged(workers, after) {
  const began = now()
  while (now() - began < recoverMs) {
    const done = workers.operations.findLast(
      ({ kind, outcome }) => kind === 'put' && outcome === 'ok',
    )
    if (done && done.start >= began) return done.end - began
    if (workers.failed) throw new Error(`a client ended: ${workers.failed}`)
    await pause(200)
  }
  throw new Stop(`no put is acknowledged ${recoverMs / 1000} s after: ${after}`)
}

/** A worker on each client's machine; `operations` grows as they work. */
export async function startWorkers({ clients, client, network, servers, home }, registers) {
  const urls = servers.map(({ url }) => url).join(',')
  const operations = []
  const state = { operations, failed: undefined }
  const children = clients.map((name, index) => {
    const folder = join(home, name)
    cpSync(client, folder, { recursive: true })
    const [command, ...args] = network.on(name)
    const script = [
      fileURLToPath(new URL('worker.mjs', import.meta.url)),
      folder,
      urls,
      String(index),
      String(registers),
    ]
    const child = spawn(command, [...args, process.execPath, ...script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: child.stdout }).on('line', (line) => operations.push(JSON.parse(line)))
    child.on('exit', (code) => {
      if (code !== 0) state.failed = `${name} with ${code}`
    })
    return child
  })
  state.stop = () =>
    Promise.all(
      children.map((child) => {
        const ended = new Promise((resolve) => child.on('close', resolve))
        child.stdin.end()
        return ended
      }),
    )
  state.kill = () => children.forEach((child) => child.kill('SIGKILL'))
  children.forEach((child) => process.once('exit', () => child.kill('SIGKILL')))
  return state
}

/** What every register holds in the end, asked of every server. */
export async function readFinals({ servers, client }, registers) {
  const finals = []
  for (const server of servers) {
    for (let register = 0; register < registers; register += 1) {
      const key = `register-${register}`
      const start = now()
      const home = join(client, '..')
      const command = `keytrustee get ${key} --no-seal --home ${home}`
      const { stdout, exit } = await server.run(command, { exit: 'any', quiet: true })
      if (exit === 0) finals.push({ key, value: stdout, start })
    }
  }
  return finals
}

/** The same clock as the clients'. */
export function now() {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
