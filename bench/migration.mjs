/**
 * Moving unsealed deposits into the HSM, in scope `service`: the rate between the first tenth and the end beside the raw
 * rate of the HSM's calls, and the memory of each service at both points. One deposit is wrapped once and, because each is opened
 * from its new form, unwrapped once: raw is how often one thread, or two, can do both calls.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { newUuid } from '@keyhsm/core'
import { listMigrationsRoute, orderMigrationRoute, startMigrationRoute } from '@keyhsm/protocol'
import { openAdministrator } from '../interop/lib/administrator.mjs'
import { Interrupted } from './lib/measure.mjs'
import { betweenCpu, readCpu, readMemory } from './lib/processes.mjs'
import { StoreLoad } from './lib/store-process.mjs'

const kinds = ['rsa-2048', 'aes-256']
const lookMs = 50

export const migrationLayer = {
  name: 'migration',
  plannedMs: ({ migrate, limitMs }) => kinds.length * (migrate * 3 + 8 * limitMs),

  run: (bench, services) => measureMigrations(bench, services, 'SoftHSM'),
}

/** @param {import('./lib/bench.mjs').Bench} bench @param {import('./lib/services.mjs').Services} services */
export async function measureMigrations(bench, services, hsm) {
  const load = new StoreLoad(services.stack)
  bench.onEnd(() => load.close())
  await services.use({ scope: 'service', kind: kinds[0] })
  const administrator = await openAdministrator(services.stack)
  bench.onEnd(() => administrator.close())
  const site = { bench, services, administrator, load }
  // As after some minutes of service: V8 has compiled what it uses.
  await moveIn(site, { kind: kinds[0], deposits: Math.min(2000, bench.migrate) })
  for (const kind of kinds.filter((one) => bench.kinds.includes(one))) {
    const before = await rawOf(bench, kind)
    const result = await moveIn(site, { kind, deposits: bench.migrate })
    const after = await rawOf(bench, kind)
    bench.migrations.push({ hsm, ...toRow(kind, { ...result, raws: [before, after] }) })
  }
}

async function moveIn({ bench, services, administrator, load }, { kind, deposits }) {
  bench.begin(`migration: store ${deposits} unsealed deposits`, deposits / 5)
  await load.ask({ unsealed: deposits })
  bench.begin(`migration: move ${deposits} under ${kind}`, deposits)
  await bench.quiet()
  const body = { from: 'pass-through', to: 'default', scope: 'service', kind, requestId: newUuid() }
  await administrator.call(startMigrationRoute, { body })
  const tenth = await until(bench, administrator, ({ moved }) => moved * 10 >= deposits)
  const cpu = readCpu(services.roles)
  const early = memoryOf(services)
  const end = await until(bench, administrator, ({ state }) => state === 'moved')
  const used = betweenCpu(cpu, readCpu(services.roles))
  const late = memoryOf(services)
  await administrator.call(orderMigrationRoute, { body: { act: 'finish', requestId: newUuid() } })
  await until(bench, administrator, ({ state }) => state === 'finished')
  if (end.moved !== deposits || end.failed > 0)
    throw new Error(`moved ${end.moved} of ${deposits}, failed ${end.failed}: ${end.why}`)
  const moved = end.moved - tenth.moved
  return { deposits, moved, seconds: (end.at - tenth.at) / 1000, used, early, late }
}

async function until({ signal }, administrator, holds) {
  for (;;) {
    if (signal.aborted) throw new Interrupted()
    const { migrations, failures } = await administrator.call(listMigrationsRoute)
    const at = performance.now()
    if (holds(migrations[0])) return { ...migrations[0], at, why: failures[0]?.code }
    await pause(lookMs)
  }
}

function memoryOf({ pids: { keytrustee, keyhsm, host } }) {
  return Object.fromEntries(
    Object.entries({ keytrustee, keyhsm, host }).map(([name, pid]) => [
      name,
      readMemory(pid).residentMiB,
    ]),
  )
}

/** How often a wrap and an unwrap together can be done in a second, by one thread and by two, and their CPU time. */
async function rawOf(bench, kind) {
  const both = async (threads) => {
    const of = (operation) => bench.raw.measure({ operation, threads, forMs: bench.limitMs })
    const wrap = await of(`${kind} encrypt`)
    const unwrap = await of(`${kind} decrypt`)
    return { rate: 1 / (1 / wrap.rate + 1 / unwrap.rate), cpuMs: wrap.cpuMs + unwrap.cpuMs }
  }
  const one = await both(1)
  return { one: one.rate, two: (await both(2)).rate, cpuMs: one.cpuMs }
}

function toRow(kind, { deposits, moved, seconds, used: { used, others }, early, late, raws }) {
  const mean = (name) => (raws[0][name] + raws[1][name]) / 2
  const rate = moved / seconds
  const { client: _, ...ours } = used
  const cpuMs = Object.values(ours).reduce((total, ms) => total + ms, 0) / moved
  return {
    kind,
    deposits,
    rate,
    limitOne: mean('one'),
    limitTwo: mean('two'),
    ofOne: rate / mean('one'),
    ofTwo: rate / mean('two'),
    cpuMs,
    ofCpu: mean('cpuMs') / cpuMs,
    early,
    late,
    othersCores: others / 1,
  }
}
