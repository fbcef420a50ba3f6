/**
 * A real PostgreSQL for tests: one private cluster a test run, made when the first test file asks for it and stopped, by
 * its pid, as soon as the run's process is gone; a fresh database, schema installed, for each that asks. Needs the app
 * to be built. Reusable by other parts' tests.
 */
import { spawn } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { newUuid } from '@keyhsm/core'
import pg from 'pg'
import type { PostgresAddress } from '../../src/store/postgres/address.js'
import { clusterUser } from './unprivileged.js'

export interface TestCluster {
  /** Superuser, database `keytrustee`. */
  readonly administrator: PostgresAddress
  /** The role of the Trustee Server. */
  readonly service: PostgresAddress
  readonly pid: number
  readonly directory: string
}

export interface TestDatabase {
  readonly administrator: PostgresAddress
  readonly service: PostgresAddress
}

const startTimeoutMs = 60_000

/** The process that lives as long as the run: vitest's, whether this is its child process or its thread. */
const runPid = isMainThread ? process.ppid : process.pid

/** The start time tells a later process with the same pid apart. @see proc_pid_stat(5), field 22 */
function startTime(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? '0'
}

/** The run's cluster. */
export async function testCluster(): Promise<TestCluster> {
  const directory = `/tmp/kt-pg-${process.getuid?.()}-${runPid}-${startTime(runPid)}`
  if (claim(directory)) startKeeper(directory)
  const deadline = Date.now() + startTimeoutMs
  while (Date.now() < deadline) {
    if (existsSync(`${directory}/ready.json`))
      return readJson(`${directory}/ready.json`) as TestCluster
    if (existsSync(`${directory}/failed.json`)) break
    await pause(50)
  }
  throw new Error(`no test database: ${JSON.stringify(readJson(`${directory}/failed.json`))}`)
}

/** A new database with the schema installed, and one without when `blank`. Dropped with the cluster. */
export async function freshDatabase(
  options: { readonly blank?: boolean } = {},
): Promise<TestDatabase> {
  const cluster = await testCluster()
  const database = `test_${newUuid().replaceAll('-', '')}`
  const template = options.blank ? 'template0' : cluster.administrator.database
  await withClient({ ...cluster.administrator, database: 'postgres' }, async (client) => {
    await client.query(`create database ${database} template ${template}`)
    await client.query(`grant connect on database ${database} to ${cluster.service.user}`)
  })
  return {
    administrator: { ...cluster.administrator, database },
    service: { ...cluster.service, database },
  }
}

/** Lends one plain connection. */
export async function withClient<Result>(
  { host, port, database, user }: PostgresAddress,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ host, port, database, user })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** True for the one worker that is to make the cluster. */
function claim(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o755 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function startKeeper(directory: string): void {
  if (clusterUser) chownSync(directory, clusterUser.uid, clusterUser.gid)
  const script = fileURLToPath(new URL('postgres-keeper.mjs', import.meta.url))
  const caller = userInfo().username
  spawn(process.execPath, [script, directory, String(runPid), caller], {
    cwd: '/',
    env: { PATH: process.env['PATH'] },
    ...(clusterUser ? { uid: clusterUser.uid, gid: clusterUser.gid } : {}),
    detached: true,
    stdio: 'ignore',
  }).unref()
}

function readJson(file: string): unknown {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}
