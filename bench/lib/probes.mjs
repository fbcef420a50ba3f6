/** Orders to the probe inside a service. @see loop-probe.mjs */
import { createConnection } from 'node:net'
import { join } from 'node:path'

/** @returns {Promise<Record<string, any>>} */
export function askProbe(folder, pid, order) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(join(folder, `${pid}.sock`))
    const chunks = []
    socket.on('connect', () => socket.write(order))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString())))
    socket.on('error', reject)
  })
}
