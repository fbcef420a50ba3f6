/** PostgreSQL refuses root, so tests that run as root let a node process of another user handle the private cluster. */
import { execFileSync, spawn } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClusterStatus } from '../../src/cluster/cluster-status.js'
import type { UpgradePlan } from '../../src/cluster/plan-upgrade.js'
import type { RunningCluster } from '../../src/cluster/start-cluster.js'

export interface OsUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

function findUser(name: string): OsUser {
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  return { name, uid: id('-u'), gid: id('-g') }
}

export const runsAsRoot = process.getuid?.() === 0

/** Who owns the clusters of the tests: Debian's `postgres` when we are root, else ourselves. */
export const clusterUser: OsUser | undefined = runsAsRoot ? findUser('postgres') : undefined

/** Any other user of this machine; only root can become it. */
export function strangerUser(): OsUser {
  return findUser('nobody')
}

/** A fresh directory with a short path that the cluster's user owns; remove it with {@link removeDirectory}. */
export function makeClusterHome(prefix = 'kt-'): string {
  const home = mkdtempSync(join('/tmp', prefix))
  if (clusterUser) chownSync(home, clusterUser.uid, clusterUser.gid)
  return home
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end as `user`; at most `timeoutMs`. Its environment is empty but for PATH and `env`. */
export function runAs(
  user: OsUser | undefined,
  command: readonly [string, ...string[]],
  options: { readonly timeoutMs?: number; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Finished> {
  const [program, ...args] = command
  const child = spawn(program, args, {
    cwd: '/',
    env: { PATH: process.env['PATH'], ...options.env },
    ...(user ? { uid: user.uid, gid: user.gid } : {}),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 60_000,
    killSignal: 'SIGKILL',
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => resolve({ code, ...output }))
  })
}

const commandScript = fileURLToPath(new URL('cluster-command.mjs', import.meta.url))

/** The verbs of the built `cluster/` and what they answer. */
export interface ClusterAnswers {
  readonly bootstrapCluster: RunningCluster
  readonly startCluster: RunningCluster
  readonly stopCluster: 'stopped' | 'not-running'
  readonly clusterStatus: ClusterStatus
  readonly planUpgrade: UpgradePlan
  readonly upgradeCluster: UpgradePlan
}

/** What a verb of the built `cluster/` answered, or its error's code and words. */
export type ClusterReply<Value> =
  | { readonly value: Value }
  | {
      readonly error: { readonly code: string; readonly message: string; readonly hints: string[] }
    }

/** Calls `bootstrapCluster`, `startCluster`, … of the built app in a process of the cluster's user (or of `user`). */
export async function callCluster<Verb extends keyof ClusterAnswers>(
  verb: Verb,
  options: Readonly<Record<string, unknown>>,
  user: OsUser | undefined = clusterUser,
): Promise<ClusterReply<ClusterAnswers[Verb]>> {
  const argument = JSON.stringify(options)
  const { stdout, stderr } = await runAs(user, [process.execPath, commandScript, verb, argument])
  try {
    return JSON.parse(stdout) as ClusterReply<ClusterAnswers[Verb]>
  } catch {
    throw new Error(`the cluster command failed: ${stderr || stdout}`)
  }
}
