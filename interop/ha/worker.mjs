/**
 * A client on one machine: puts and gets registers through whichever server serves, and prints what it saw, one line of
 * JSON an operation. Ends when its standard input does.
 *
 *   node worker.mjs FOLDER SERVERS NUMBER REGISTERS
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  mayHaveBeenProcessed,
  noRetry,
  openCalls,
  readLocalClient,
  TrusteeClient,
} from '@keyhsm/client'
import { errorTraits } from '@keyhsm/core'

const [folder, servers, number, registers] = process.argv.slice(2)
const loops = 3
const pauseMs = 120
const putMs = 12_000
const callMs = 5_000

const local = await readLocalClient(folder)
const ended = new AbortController()
process.stdin.resume().on('end', () => ended.abort())
await Promise.all(Array.from({ length: loops }, (_, index) => loop(index)))

async function loop(index) {
  // Each begins at another server.
  const urls = servers.split(',')
  const first = (Number(number) + index) % urls.length
  const url = [...urls.slice(first), ...urls.slice(0, first)].join(',')
  const trustee = new TrusteeClient(openCalls({ url, tls: local.tls, timeoutMs: callMs }), noRetry)
  for (let count = 0; !ended.signal.aborted; count += 1) {
    const key = `register-${Math.floor(Math.random() * Number(registers))}`
    const operation =
      Math.random() < 0.5
        ? await put(trustee, key, `${number}.${index}.${count}`)
        : await get(trustee, key)
    if (operation) process.stdout.write(`${JSON.stringify(operation)}\n`)
    await pause(pauseMs * (0.5 + Math.random()))
  }
  await trustee.close()
}

/** Repeated under one request id until it is known, or time is up: then it is unknown. */
async function put(trustee, key, value) {
  const request = { handle: key, content: Buffer.from(value), requestId: randomUUID() }
  const start = now()
  let possible = false
  let code
  while (now() - start < putMs) {
    try {
      await trustee.put(request)
      return { kind: 'put', key, value, start, end: now(), outcome: 'ok' }
    } catch (error) {
      code = error.code
      if (errorTraits[code]?.retry !== true) break
      possible ||= mayHaveBeenProcessed(error)
    }
    await pause(250)
  }
  return {
    kind: 'put',
    key,
    value,
    start,
    end: now(),
    outcome: possible ? 'unknown' : 'failed',
    code,
  }
}

/** A get that fails says nothing of the register. */
async function get(trustee, key) {
  const start = now()
  try {
    const { content, standby } = await trustee.get(key)
    const value = content.toString()
    return { kind: 'get', key, value, start, end: now(), outcome: 'ok', standby: standby === true }
  } catch (error) {
    // Whether nothing was there is only known where the primary was asked, which such an answer does not say.
    return { kind: 'get', key, start, end: now(), outcome: 'failed', code: error.code }
  }
}

/** The same clock in every process of this machine. */
function now() {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
