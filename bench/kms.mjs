/**
 * `keytrustee-kms` beside Hadoop's own KMS: generate, decrypt and metadata over HTTP and HTTPS, the same driver for both, in turns, so that
 * both meet the same machine, and a server of node:http that only answers the same bytes, which is what Node.js itself leaves. Ours also without its cache: then every operation opens a deposit through Trustee Server and HSM, and the raw
 * call of PKCS#11 is its limit. Two instances of ours share a load as Hadoop's client spreads it, since one of them uses one core and Hadoop's KMS all. Where Java or Maven are missing ours is measured alone.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findMissingJava } from '../interop/hadoop/lib/java.mjs'
import { startOurKms, startSecondKms } from '../interop/hadoop/lib/our-kms.mjs'
import { startRealKms } from '../interop/hadoop/lib/real-kms.mjs'
import { startBareServer } from './lib/bare-process.mjs'
import { HttpLoad, pathOf, requestBytes } from './lib/http-load.mjs'
import { openLimits } from './lib/limits.mjs'
import { measure, warmUp } from './lib/measure.mjs'
import { betweenCpu, readCpu } from './lib/processes.mjs'

const ours = 'keytrustee-kms'
const twice = 'keytrustee-kms, two instances'
const uncached = 'keytrustee-kms, no cache'
const original = "Hadoop's KMS"
const bareHttp = 'node:http alone'
/** V8 and even more so the JVM get faster for a while: for so many operations, or so long. */
const warm = { full: { operations: 40_000, forMs: 30_000 }, quick: { forMs: 300 } }
/** What opens a deposit each time is bounded by that, not by what is compiled. */
const warmUncachedMs = 6_000
const warmOf = ({ quick }) => warm[quick ? 'quick' : 'full']
const operations = ['generate', 'decrypt', 'metadata']
/** An instance without a cache opens a deposit for each; a description is none. */
const opening = ['generate', 'decrypt']

export const kmsLayer = {
  name: 'kms',
  plannedMs: ({ lengths, concurrencies, quick }) =>
    2 * 14 * (concurrencies.length * lengths.keyhsm + warmOf({ quick }).forMs / 2),

  /** @param {import('./lib/bench.mjs').Bench} bench */
  async run(bench) {
    const lacking = findMissingJava(['server'], { offline: false })
    if (lacking) bench.notes.push(`kms: without Hadoop's own KMS: ${lacking}`)
    for (const transport of ['http', 'https']) await measureTransport(bench, transport, !lacking)
  },
}

async function measureTransport(bench, transport, withOriginal) {
  bench.begin(`kms: start the servers, ${transport}`, 20_000)
  const settings = [
    `keytrustee-kms.tls=${transport === 'https' ? 'on' : 'off'}`,
    'keytrustee-kms.host=127.0.0.1',
  ]
  const kms = await startOurKms({ settings, scheme: transport })
  bench.onEnd(() => kms.stop())
  const real = withOriginal ? await startRealKms({ scheme: transport, audit: true }) : undefined
  if (real) bench.onEnd(() => real.stop())
  const mine = await prepare({ server: ours, transport, ...kms, ca: caOf(kms), pid: pidOf(kms) })
  const theirs = real && (await prepare({ server: original, transport, ...real }))
  const bare = await prepareBare(bench, mine, kms)
  const second = await startSecondKms(kms, { settings, scheme: transport })
  bench.onEnd(() => second.stop())
  const both = { ...mine, server: twice, instances: [kms, second] }
  for (const operation of operations)
    await measureOperation(bench, operation, [mine, both, theirs, bare])
  bare.stop()
  await second.stop()
  await kms.stack.run(
    `echo keytrustee-kms.cache=0s >> ${kms.home}/kms.properties && keytrustee-kms stop && keytrustee-kms start`,
  )
  const slow = { ...mine, server: uncached, pid: pidOf(kms) }
  for (const operation of opening) await measureOperation(bench, operation, [slow])
  await real?.stop()
  await kms.stop()
}

function caOf({ home }) {
  return readFileSync(join(home, 'tls/kms.pem'), 'utf8')
}

function pidOf({ home }) {
  return Number(/\d+/.exec(readFileSync(join(home, 'run/keytrustee-kms.pid'), 'utf8'))?.[0])
}

/** A key and an encrypted key on the server, and the bytes of each operation. */
async function prepare(target) {
  const load = await HttpLoad.open(target)
  try {
    const first = await load.exchange(
      requestBytes(
        { method: 'GET', path: '/keys/names?user.name=alice', cookie: 'a=b' },
        target.url,
      ),
    )
    const cookie = /^set-cookie: (hadoop\.auth=(?:"[^"]+"|[^;\r]+))/im.exec(first)[1]
    const ask = (request) => load.exchange(requestBytes({ cookie, ...request }, target.url))
    await ask({ method: 'POST', path: '/keys', body: { name: 'bench', length: 128 } }).catch(
      (error) => {
        if (error.code !== 'status 201') throw error
      },
    )
    const requests = {
      metadata: { method: 'GET', path: '/key/bench/_metadata' },
      generate: { method: 'GET', path: '/key/bench/_eek?eek_op=generate&num_keys=1' },
    }
    const reply = await ask(requests.generate)
    const [eek] = JSON.parse(/\[[\s\S]*\]/.exec(reply)[0])
    const { versionName, iv, encryptedKeyVersion } = eek
    requests.decrypt = {
      method: 'POST',
      path: `/keyversion/${encodeURIComponent(versionName)}/_eek?eek_op=decrypt`,
      body: { name: 'bench', iv, material: encryptedKeyVersion.material },
    }
    const answers = {}
    for (const request of Object.values(requests))
      answers[pathOf(request, target.url)] = bodyOf(await ask(request))
    const bytes = Object.entries(requests).map(([name, request]) => [
      name,
      requestBytes({ cookie, ...request }, target.url),
    ])
    return { ...target, answers, requests: Object.fromEntries(bytes) }
  } finally {
    load.close()
  }
}

/** Answers what `mine` did, by the same pair. */
async function prepareBare(bench, mine, { home }) {
  const { transport, answers } = mine
  const key = transport === 'https' ? readFileSync(join(home, 'tls/kms.key'), 'utf8') : undefined
  const bare = await startBareServer({ ...(key ? { tls: { key, cert: mine.ca } } : {}), answers })
  bench.onEnd(() => bare.stop())
  const url = new URL(mine.url)
  url.port = String(bare.port)
  return { ...mine, ...bare, url: url.href, server: bareHttp }
}

/** The body of a reply of either form. */
function bodyOf(reply) {
  const [head, body] = [reply.slice(0, reply.indexOf('\r\n\r\n')), reply.split('\r\n\r\n')[1]]
  return /^transfer-encoding: chunked/im.test(head) ? body.split('\r\n')[1] : body
}

async function measureOperation(bench, operation, targets) {
  const present = targets.filter(Boolean)
  for (const target of present) await warmTarget(bench, operation, target)
  for (const concurrency of bench.concurrencies) {
    const rows = []
    // A single caller has one instance.
    for (const target of present)
      if (concurrency >= (target.instances?.length ?? 1))
        rows.push(await measureCell(bench, { operation, concurrency, target }))
    const theirs = rows.find(({ server }) => server === original)
    for (const row of rows) if (theirs && row !== theirs) row.ofOriginal = row.rate / theirs.rate
    bench.kms.push(...rows)
  }
}

async function warmTarget(bench, operation, target) {
  const longest = warmOf(bench)
  const how =
    target.server === uncached
      ? { forMs: Math.min(longest.forMs, warmUncachedMs) }
      : { forMs: longest.forMs, operations: longest.operations * (target.instances?.length ?? 1) }
  bench.begin(`kms: warm up ${operation} of ${target.server}, ${target.transport}`, how.forMs)
  await withLoads(target, 8, (step) =>
    warmUp({ concurrency: 8, ...how, signal: bench.signal }, (worker) => step(operation, worker)),
  )
}

async function measureCell(bench, { operation, concurrency, target }) {
  const { server, transport } = target
  const pids = target.instances?.map(pidOf) ?? [target.pid]
  const forMs = bench.lengths.keyhsm
  bench.begin(`kms: ${operation} of ${server}, ${transport}, ${concurrency} at once`, forMs)
  await bench.quiet()
  const limit =
    server === uncached
      ? await bench.raw.measure({
          operation: openLimits['ec-p256'],
          threads: 1,
          forMs: bench.limitMs,
        })
      : undefined
  const roles = { client: () => [process.pid], server: () => pids }
  let before
  const onWarm = async () => {
    before = readCpu(roles)
  }
  const how = { concurrency, forMs, warmMs: forMs / 4, signal: bench.signal, onWarm }
  const result = await withLoads(target, concurrency, (step) =>
    measure(how, (worker) => step(operation, worker)),
  )
  const { used, others } = betweenCpu(before, readCpu(roles))
  return {
    server,
    transport,
    operation,
    concurrency,
    ...result,
    serverCpuMs: used.server / result.done,
    othersCores: others,
    ofRaw: limit && result.rate / limit.rate,
  }
}

async function withLoads(target, count, use) {
  const loads = []
  try {
    while (loads.length < count) loads.push(await HttpLoad.open(placeOf(target, loads.length)))
    return await use((operation, worker) => loads[worker].exchange(target.requests[operation]))
  } finally {
    for (const load of loads) load.close()
  }
}

/** Where a load goes: where there are several instances, to each in turn. */
function placeOf({ instances, ...target }, index) {
  const instance = instances?.[index % instances.length]
  return instance ? { url: instance.url, ca: caOf(instance) } : target
}
