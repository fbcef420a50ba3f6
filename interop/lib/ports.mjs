/** Free TCP ports on loopback, the usual ones where they are free. */
import { randomInt } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Below the range from which Linux takes the local ports of outgoing connections (32768 and up): those of stacks that
 * run side by side could take ours between this check and the start of the service.
 */
const range = { first: 20_000, last: 32_000 }

/** A file a port that a running program has taken: its services may listen later, or stop and start again. */
const folder = join(tmpdir(), 'keyhsm-test-ports')
const taken = []

/** `wanted` when nothing listens on it, else a free port that no other program gets here until this one has ended. */
export async function freePort(wanted) {
  if (wanted && (await isFree(wanted))) return wanted
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(range.first, range.last)
    if (take(port) && (await isFree(port))) return port
  }
  throw new Error(`no free port between ${range.first} and ${range.last}`)
}

function take(port) {
  if (mkdirSync(folder, { recursive: true })) chmodSync(folder, 0o1777)
  const file = join(folder, String(port))
  if (isRunning(ownerOf(file))) return false
  try {
    rmSync(file, { force: true })
    writeFileSync(file, String(process.pid), { flag: 'wx' })
  } catch {
    // Another program was faster, or the file is another user's.
    return false
  }
  if (taken.push(file) === 1) process.once('exit', giveBack)
  return true
}

function giveBack() {
  for (const file of taken) rmSync(file, { force: true })
}

function ownerOf(file) {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return 0
  }
}

function isRunning(pid) {
  if (!(pid > 0)) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}
