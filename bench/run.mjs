#!/usr/bin/env node
/**
 * `npm run bench`: the speed of each layer beside the raw limit of the same run. Nothing here passes or fails by the
 * clock. Everything that it starts lives in one temporary folder and is stopped at the end, also after Ctrl-C.
 *
 *   node bench/run.mjs [--quick] [--json FILE] [--only raw,backend,keyhsm,whole,store,migration,device,kms] [--kinds ec-p256,rsa-2048,aes-256]
 *     [--seconds N] [--patience N] [--write FILE] [--deposits N] [--migrate N] [--profile "keyhsm open rsa-2048 8"]
 *
 * `--seconds` is the length of a cell; `--patience` how long, in all, to wait for moments in which nobody else uses the
 * machine; `--write` puts the tables into a Markdown file, between its lines `<!-- bench -->` and `<!-- /bench -->`.
 * `--deposits` is how many are stored for the second half of the layer `store` (default 100,000; the first has 1,000).
 * `--migrate` is how many the layer `migration` moves under each kind of key (default 3,000; the product's aim is for 100,000).
 * `--profile` writes a CPU profile of each service during that cell to the working directory.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runMain, Stop } from '../scripts/lib/say.mjs'

const names = ['raw', 'backend', 'keyhsm', 'whole', 'store', 'migration', 'device', 'kms']
const kindNames = ['ec-p256', 'rsa-2048', 'aes-256']

await runMain(async () => {
  const options = readOptions()
  const { Bench } = await loadBuilt()
  const { rawLayer } = await import('./raw-pkcs11.mjs')
  const { backendLayer } = await import('./backend.mjs')
  const { keyHsmLayer } = await import('./keyhsm.mjs')
  const { wholeLayer } = await import('./whole.mjs')
  const { storeLayer } = await import('./store.mjs')
  const { migrationLayer } = await import('./migration.mjs')
  const { deviceLayer } = await import('./device.mjs')
  const { kmsLayer } = await import('./kms.mjs')
  const all = [
    rawLayer,
    backendLayer,
    keyHsmLayer,
    wholeLayer,
    storeLayer,
    migrationLayer,
    deviceLayer,
    kmsLayer,
  ]
  const layers = all.filter(({ name }) => options.only.includes(name))
  const bench = new Bench({
    ...options,
    plannedMs: (b) => layers.reduce((total, layer) => total + layer.plannedMs(b), 0),
  })
  const interrupt = () => bench.interrupt()
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, interrupt)
  try {
    await bench.open()
    const failure = await runLayers(bench, layers).catch((error) => error)
    await print(bench, options)
    if (bench.signal.aborted) throw new Stop('bench: interrupted: what was measured is above', 130)
    if (failure) throw failure
    return 0
  } finally {
    await bench.close()
  }
})

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
        only: { type: 'string', default: names.join(',') },
        kinds: { type: 'string', default: kindNames.join(',') },
        seconds: { type: 'string' },
        patience: { type: 'string' },
        write: { type: 'string' },
        deposits: { type: 'string' },
        migrate: { type: 'string' },
        profile: { type: 'string' },
      },
    })
    const only = listOf('only', values.only, names)
    const kinds = listOf('kinds', values.kinds, kindNames)
    const seconds = numberOf('seconds', values.seconds)
    const patience = numberOf('patience', values.patience)
    const deposits = numberOf('deposits', values.deposits, 'number of deposits')
    const migrate = numberOf('migrate', values.migrate, 'number of deposits')
    return { ...values, only, kinds, seconds, patience, deposits, migrate }
  } catch (error) {
    throw new Stop(`bench: ${error.message}`, 2)
  }
}

function numberOf(option, text, what = 'number of seconds') {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${option} takes a ${what}`)
  return value
}

function listOf(option, text, known) {
  const given = text.split(',')
  const unknown = given.find((name) => !known.includes(name))
  if (unknown === undefined) return given
  throw new Error(`--${option} takes ${known.join(', ')}, not ${unknown}`)
}

async function loadBuilt() {
  try {
    await import('@keyhsm/hsm-pkcs11')
    return await import('./lib/bench.mjs')
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new Stop('bench: this checkout is not built\nhint: run `npm run set-up`', 2)
  }
}

/** The services are brought up once for two of their layers, and each kind of key is measured in both. */
async function runLayers(bench, layers) {
  const alone = ['raw', 'backend', 'device', 'kms']
  const below = layers.filter(({ name }) => alone.includes(name))
  const store = layers.find(({ name }) => name === 'store')
  const migration = layers.find(({ name }) => name === 'migration')
  const databases = [store, migration]
  const above = layers.filter((layer) => !below.includes(layer) && !databases.includes(layer))
  for (const layer of below) await layer.run(bench)
  const { Services, variants } = await import('./lib/services.mjs')
  if (store) await measureStore(bench, await Services.bringUp(bench), store)
  if (migration) await migration.run(bench, await Services.bringUp(bench))
  if (above.length === 0) return
  const services = await Services.bringUp(bench)
  for (const variant of variants.filter(({ kind }) => bench.kinds.includes(kind))) {
    await services.use(variant)
    services.noteMemory(`${variant.kind} idle`)
    for (const layer of above) await layer.run(bench, services, variant)
    services.noteMemory(`${variant.kind} after load`)
  }
  for (let again = 0; again < bench.lengths.starts; again += 1) await services.restartKeyHsm()
}

/** In a database of its own: how much slower many deposits are is told beside few. */
async function measureStore(bench, services, store) {
  const { storeVariant } = await import('./store.mjs')
  await services.use(storeVariant)
  await store.run(bench, services)
}

async function print(bench, options) {
  const { describeMachine, formatMachine } = await import('./lib/machine.mjs')
  const { formatResults } = await import('./lib/tables.mjs')
  const machine = describeMachine(bench.folder)
  const { rows, raws, readiness, memory, notes } = bench
  const text = `${formatMachine(machine)}\n${formatResults(bench)}`
  console.log([text, ...notes].join('\n'))
  if (options.write) replaceTables(options.write, text)
  if (!options.json) return
  const { store, migrations, kms } = bench
  const layersOf = { raws, rows, store, migrations, kms }
  const results = { machine, quick: bench.quick, ...layersOf, readiness, memory }
  writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
}

function replaceTables(file, text) {
  const whole = readFileSync(file, 'utf8')
  const between = /(<!-- bench -->\n)[\s\S]*(\n<!-- \/bench -->)/
  if (!between.test(whole)) throw new Stop(`bench: ${file} has no lines for the tables`, 2)
  writeFileSync(
    file,
    whole.replace(between, (_all, head, tail) => `${head}\n${text}\n${tail}`),
  )
}
