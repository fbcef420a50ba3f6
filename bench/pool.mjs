#!/usr/bin/env node
/**
 * `npm run bench:pool -- [SECONDS]`: what HSM keys made ahead do to those who only open. A steady caller opens ten times a second: beside
 * nothing else; while the pool wants filling; beside another who seals, each deposit under an RSA key of its own, with and without a pool.
 * Prints p50 and p99 of the opens of each and how many times the p99 of the first, and when the pool was full after the second.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { KeyHsmClient, Transport } from '@keyhsm/client'
import { newUuid } from '@keyhsm/core'
import { editSettings } from '@keyhsm/service'
import { runMain } from '../scripts/lib/say.mjs'
import { Stack } from '../interop/lib/stack.mjs'

const seconds = Number(process.argv[2] ?? 20)
const openEveryMs = 100
const sealEveryMs = 700
const spares = 4

const cells = [
  { name: 'nothing else', pool: 0, seals: false },
  { name: 'a pool that wants filling', pool: spares, seals: false, fills: true },
  { name: 'seals, with a pool', pool: spares, seals: true },
  { name: 'seals, without a pool', pool: 0, seals: true },
]

await runMain(async () => {
  const stack = await Stack.create()
  try {
    await stack.makeToken()
    await stack.setUpKeyHsm(' --kind rsa-2048')
    await stack.setUpTrustee()
    await stack.startKeyHsm()
    const rows = []
    for (const cell of cells) rows.push(await measure(stack, cell))
    console.log(
      '| opens beside | opens | p50 ms | p99 ms | of the first p99 | seals | p50 ms of a seal |',
    )
    console.log('|---|---:|---:|---:|---:|---:|---:|')
    for (const row of rows) {
      const { name, opens, sealed } = row
      const ratio = at(opens, 99) / at(rows[0].opens, 99)
      const figures = [opens.count, ms(opens, 50), ms(opens, 99), ratio.toFixed(2), sealed.count]
      console.log(`| ${[name, ...figures, sealed.count ? ms(sealed, 50) : '-'].join(' | ')} |`)
    }
    return rows.every(({ failures }) => failures === 0) ? 0 : 1
  } finally {
    await stack.remove()
  }
})

async function measure(stack, { name, pool, seals, fills }) {
  const file = join(stack.home, 'keyhsm/application.properties')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, editSettings(text, { 'keyhsm.key.pool': String(pool) }))
  await stack.run('keyhsm reload', { quiet: true })
  const { client, transport } = connect(stack)
  const { canary } = await client.describe()
  const content = randomBytes(1024)
  const context = () => ({
    organisation: newUuid(),
    deposit: newUuid(),
    handle: 'bench',
    revision: 1,
  })
  const first = context()
  const { sealed } = await client.seal({ requestId: newUuid(), context: first, content, canary })
  const result = { name, opens: createHistogram(), sealed: createHistogram(), failures: 0 }
  const endsAt = performance.now() + seconds * 1000
  const steady = async (everyMs, histogram, ask) => {
    while (performance.now() < endsAt) {
      const at = performance.now()
      await ask().catch(() => {
        result.failures += 1
      })
      histogram.record(Math.max(1, Math.round((performance.now() - at) * 1e6)))
      await pause(Math.max(0, everyMs - (performance.now() - at)))
    }
  }
  await Promise.all([
    steady(openEveryMs, result.opens, () =>
      client.open({ requestId: newUuid(), context: first, sealed, canary }),
    ),
    seals
      ? steady(sealEveryMs, result.sealed, () =>
          client.seal({ requestId: newUuid(), context: context(), content, canary }),
        )
      : undefined,
  ])
  await transport.destroy()
  if (fills) await waitUntilFull(stack)
  return result
}

async function waitUntilFull(stack) {
  const began = performance.now()
  const spareKeys = async () =>
    JSON.parse((await stack.run('keyhsm status --json', { quiet: true })).stdout).spareKeys
  const before = await spareKeys()
  while ((await spareKeys()) < spares) {
    if (performance.now() - began > 60_000) throw new Error('the pool was not filled in a minute')
    await pause(200)
  }
  const took = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`pool: ${before} of ${spares} while it was opened, full ${took} s after`)
}

function connect({ home, ports }) {
  const ssl = (name) => readFileSync(join(home, 'keytrustee/.ssl', name), 'utf8')
  const transport = new Transport({
    url: `https://127.0.0.1:${ports.keyhsm}`,
    tls: {
      ca: [readFileSync(join(home, 'keyhsm/keystore/keyhsm.pem'), 'utf8')],
      cert: ssl('ssl-cert-keytrustee-keyhsm-client.pem'),
      key: ssl('ssl-cert-keytrustee-keyhsm-client-pk.pem'),
    },
    connections: 2,
  })
  return { transport, client: new KeyHsmClient(transport) }
}

function at(histogram, percentile) {
  return histogram.percentile(percentile) / 1e6
}

function ms(histogram, percentile) {
  return at(histogram, percentile).toFixed(2)
}
