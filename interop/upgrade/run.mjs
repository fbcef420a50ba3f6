#!/usr/bin/env node
/**
 * `npm run upgrade:test [-- --from COMMIT] [--built DIR] [--verbose]`: two servers of an earlier release on one database, under load; one is
 * upgraded, then the other. Every acknowledged deposit must come back, the older server must run on the newer schema, the
 * older program must be refused once its schema is gone, and a backup that the older release made must restore. --built keeps the
 * earlier release as it was built, for the next run.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runMain, say } from '../../scripts/lib/say.mjs'
import { root } from '../../scripts/lib/sources.mjs'
import { ServerPair } from '../ha/servers.mjs'
import { freePort } from '../lib/ports.mjs'
import { programRoot } from '../lib/program-root.mjs'
import { Stack } from '../lib/stack.mjs'
import { Database } from './database.mjs'
import { buildEarlier, findEarlier, schemaOf } from './earlier-release.mjs'
import { Load } from './load.mjs'

const args = process.argv.slice(2)
const verbose = args.includes('--verbose')
const print = verbose ? say : undefined
/** Acknowledged puts in each stage. */
const puts = 40

await runMain(async () => {
  const earlier = findEarlier(
    args.includes('--from') ? args[args.indexOf('--from') + 1] : undefined,
  )
  const home = mkdtempSync(join(tmpdir(), 'keyhsm-upgrade-'))
  chmodSync(home, 0o755)
  const trial = { home, servers: [] }
  try {
    trial.earlier = option('--built') ?? join(home, 'earlier')
    if (!existsSync(trial.earlier)) {
      step(`building ${earlier.name}`)
      buildEarlier(earlier, trial.earlier)
    }
    trial.schemas = [schemaOf(trial.earlier), schemaOf(root)]
    await make(trial)
    const result = await upgrade(trial)
    await restore(trial, result)
    return report(earlier, trial, result)
  } finally {
    for (const server of trial.servers) await server.stop()
    trial.database?.stop()
    rmSync(home, { recursive: true, force: true })
  }
})

/** Two pairs of the earlier release on one token and one database, and a registered client. */
async function make(trial) {
  const { home } = trial
  trial.database = new Database(home, await freePort())
  trial.database.make()
  const stack = await Stack.create({ home })
  await stack.makeToken()
  trial.softhsm = stack.env.SOFTHSM2_CONF
  step('two servers of the earlier release')
  const first = await addServer(trial, 'n1', 'earlier')
  await first.makeFirst(trial.database)
  await (await addServer(trial, 'n2', 'earlier')).join(first)
  const folder = join(home, 'client')
  mkdirSync(folder, { mode: 0o700 })
  trial.client = await first.register(folder, trial.servers)
}

async function addServer(trial, name, release) {
  const { home, servers } = trial
  const ports = {
    keyhsm: await freePort(),
    management: await freePort(),
    trustee: await freePort(),
  }
  const network = { on: () => [], address: () => '127.0.0.1' }
  const env = { SOFTHSM2_CONF: trial.softhsm, ...pathTo(release, trial) }
  const server = new ServerPair({ name, home, network, env, ports, pinFile: join(home, 'pin') })
  server.shell.print = print ?? (() => {})
  servers.push(server)
  return server
}

function pathTo(release, { home, earlier }) {
  const program = release === 'earlier' ? earlier : programRoot(root, home)
  return { PATH: `${program}/bin:${process.env.PATH}` }
}

/** The commands of docs/operations/upgrades.md, with the exchange of the programs where packages would be installed. */
async function upgrade(trial) {
  const { servers, database, client } = trial
  const [n1, n2] = servers
  const load = await Load.open({ client, urls: servers.map(({ url }) => url) })
  try {
    load.begin()
    await load.more(puts)
    step('a backup by the earlier release, under load')
    const kept = await backUp(trial, load)
    step('one of two is upgraded')
    await exchange(n1, trial)
    const version = () =>
      Number(database.sql('select max(version) from keytrustee.schema_migrations', 'keytrustee'))
    expect(version() === trial.schemas[1], 'the schema is the newer one')
    const before = load.acknowledged.size
    const onOld = await useAlone(n2, trial)
    await load.more(puts)
    step('no way back')
    await refuseDowngrade(n1, trial)
    await load.more(puts)
    step('the other one is upgraded')
    await exchange(n2, trial)
    await load.more(puts)
    await load.end()
    const lost = await load.findLost()
    return { load, lost, kept, onOld, between: load.acknowledged.size - before }
  } finally {
    await load.end()
    await load.close()
  }
}

async function exchange(server, trial) {
  await server.run('keytrustee-server stop')
  await server.run('keyhsm stop')
  Object.assign(server.shell.env, pathTo('this', trial))
  await server.run('keyhsm validate')
  await server.run('keyhsm start')
  await server.run('ktadmin db migrate --dry-run')
  await server.run('keytrustee-server start')
  await server.run('ktadmin doctor', { exit: 'any' })
}

/** The older server alone, on the schema that the newer one made. @returns how many deposits came back from it */
async function useAlone(server, { client }) {
  const alone = await Load.open({ client, urls: [server.url] })
  for (let index = 0; index < 5; index += 1) {
    const content = Buffer.from(`alone-${index}`)
    await alone.trustee.put({ handle: `alone-${index}`, content })
    alone.acknowledged.set(`alone-${index}`, content)
  }
  const lost = await alone.findLost()
  await alone.close()
  expect(lost.length === 0, 'the older server puts and gets on the newer schema')
  return alone.acknowledged.size
}

async function refuseDowngrade(server, trial) {
  await server.run('keytrustee-server stop')
  const path = server.shell.env.PATH
  Object.assign(server.shell.env, pathTo('earlier', trial))
  const { stderr } = await server.run('keytrustee-server start', { exit: 78 })
  expect(/newer \(version \d+\) than this program/.test(stderr), 'the older program says why')
  server.shell.env.PATH = path
  await server.run('keytrustee-server start')
}

/** What was acknowledged before it must be in it. */
async function backUp({ home, servers: [n1] }, load) {
  const kept = new Map(load.acknowledged)
  await n1.run(`ktadmin backup-identity ${home}/identity`)
  const recipient = /# recipient: (\S+)/.exec(readFileSync(`${home}/identity`, 'utf8'))?.[1]
  await n1.run(`ktadmin backup --recipient ${recipient} --to ${n1.home}/keytrustee/backup`)
  return kept
}

/** On another host, by this release, from the backup of the earlier one. */
async function restore(trial, result) {
  const { home, servers } = trial
  const [n1] = servers
  step('the backup of the earlier release is drilled and restored by this one')
  const folder = `${n1.home}/keytrustee/backup`
  const file = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.ktbackup')),
  )
  await n1.run(`ktadmin drill ${file} --identity ${home}/identity`)
  const n3 = await addServer(trial, 'n3', 'this')
  const { audit, key } = auditOf(n1)
  await n3.restoreFrom(
    `${file} --identity ${home}/identity --audit ${audit} --audit-public-key ${key}`,
  )
  const load = await Load.open({ client: trial.client, urls: [n3.url] })
  result.notRestored = await load.findLost(result.kept)
  await load.close()
}

function auditOf({ home }) {
  return { audit: `${home}/keytrustee/audit`, key: `${home}/keytrustee/audit.pub` }
}

function report({ name }, { schemas }, { load, lost, kept, onOld, between, notRestored }) {
  const faults = [...load.faults, ...lost, ...notRestored]
  for (const fault of faults.slice(0, 10)) console.log(`FAILED ${fault}`)
  console.log(
    `upgrade: ${name} (schema ${schemas[0]}) to this tree (schema ${schemas[1]}): ` +
      `acknowledged ${load.acknowledged.size}, ${between} of them while two releases ran, lost ${lost.length}; ` +
      `gets ${load.gets}; longest pause ${(load.longestGapMs / 1000).toFixed(1)} s; ` +
      `${onOld} through the older server alone on the newer schema; downgrade refused; ` +
      `restored ${kept.size - notRestored.length} of ${kept.size} from the older backup; ${faults.length} faults`,
  )
  return faults.length === 0 && kept.size > 0 ? 0 : 1
}

function option(name) {
  return args.includes(name) ? args[args.indexOf(name) + 1] : undefined
}

function step(what) {
  say(`== ${what}`)
}

function expect(holds, what) {
  if (!holds) throw new Error(`does not hold: ${what}`)
  say(`ok: ${what}`)
}
