/** `ktadmin status` and `keytrustee-server status`. */
import { setTimeout as pause } from 'node:timers/promises'
import {
  type Command,
  type Input,
  type Io,
  levelText,
  optionGiven,
  printFields,
} from '@keyhsm/command-line'
import { DomainError, type Fingerprint, toDomainError } from '@keyhsm/core'
import { type ReplyOf, statusRoute } from '@keyhsm/protocol'
import { daemonState } from '@keyhsm/service'
import { readServerFingerprint } from '../initialise.js'
import { pathsIn } from '../paths.js'
import { asOption, callServer } from './control.js'

type Running = ReplyOf<typeof statusRoute>
type Status =
  | ({ readonly running: true } & Running)
  | { readonly running: false; readonly serverFingerprint: Fingerprint }

/** Exit status of a server that does not run or is not well; sysexits EX_UNAVAILABLE. */
const unavailable = 69
const watchEveryMs = 2_000
/** ECMA-48: erase the display, cursor to the first place. */
const clearScreen = '\x1b[2J\x1b[H'

/** The same under both programs. */
export function statusCommand(): Command {
  return {
    name: 'status',
    summary: 'say how the server and everything it needs are doing',
    options: [
      asOption,
      {
        flag: 'watch',
        describe: 'show it again every two seconds, until Ctrl-C; with --json a line each time',
      },
    ],
    run: (input, io) => (optionGiven(input, 'watch') ? watch(input, io) : readStatus(input)),
    print: printStatus,
    exitCode: (status: Status) => (status.running && status.healthy ? 0 : unavailable),
  }
}

async function readStatus(input: Input): Promise<Status> {
  const paths = pathsIn(input.home.keytrustee)
  const serverFingerprint = await readServerFingerprint(paths)
  if (!daemonState(paths.pidFile).running) return { running: false, serverFingerprint }
  return { running: true, ...(await callServer(input, statusRoute)) }
}

/** Ends only with its process: Ctrl-C, or a reader that went away. A server that does not answer is shown as that. */
async function watch(input: Input, io: Io): Promise<undefined> {
  // A standard output whose reader went away stays writable: only its error tells.
  const gone = new AbortController()
  io.stdout.once('error', () => gone.abort())
  while (!gone.signal.aborted) {
    const status = await readStatus(input).catch((error: unknown) => toDomainError(error))
    if (io.isTerminal && !io.json) io.stdout.write(clearScreen)
    if (io.json) io.stdout.write(`${JSON.stringify(status)}\n`)
    else if (status instanceof DomainError) printFields({ server: status.message }, io)
    else printStatus(status, io)
    await pause(watchEveryMs, undefined, { signal: gone.signal }).catch(() => undefined)
  }
  return undefined
}

/** `older than 90 days; looked at 2026-11-22T10:00:00.000Z: 3 due`. */
export function scheduleLine({
  olderThanDays,
  lookedAt,
  due,
}: NonNullable<Running['resealSchedule']>): string {
  const looked = lookedAt === undefined ? 'not looked yet' : `looked at ${lookedAt}: ${due} due`
  return `older than ${olderThanDays} days; ${looked}`
}

function printStatus(status: Status, io: Io): void {
  const fingerprint = { 'server fingerprint (SHA-256)': status.serverFingerprint }
  if (!status.running) {
    printFields({ server: 'not running', ...fingerprint }, io)
    return
  }
  const { parts, keyHsm } = status
  printFields(
    {
      server: `running on ${status.address}, pid ${status.pid}, version ${status.version}`,
      ...fingerprint,
      certificates: certificatesLine(status.certificates),
      health: status.healthy ? 'healthy' : 'NOT HEALTHY',
      database: line(parts.database),
      ...(status.installation ? {} : { role: 'the only copy: its loss is a restore' }),
      audit: line(parts.audit),
      ...installationLines(status.installation),
      'key hsm': line(parts.keyHsm),
      sealing: status.sealing,
      joined: keyHsm && `${keyHsm.url}, realm ${keyHsm.realm}, since ${keyHsm.joinedAt}`,
      deposits: status.deposits,
      'puts under way': status.pendingPuts,
      'hsm backup': hsmBackupLine(status.hsmBackup),
      'held since a restore':
        status.held && `${status.held.clients} clients, ${status.held.deposits} deposits`,
      'waiting for you': waitingLine(status.waiting),
      quotas: quotaLine(status.quotas),
      'log level': levelText(status.log),
      migration: status.migration ?? 'none under way',
      'scheduled reseal': status.resealSchedule && scheduleLine(status.resealSchedule),
    },
    io,
  )
  for (const warning of status.warnings) io.words(`warning: ${warning}`)
}

/** `server until 2029-02-25, client-authority until 2046-11-18`; those that end soon are warned of besides. */
function certificatesLine(certificates: Running['certificates']): string {
  return certificates
    .map(({ role, expiresAt }) => `${role} until ${expiresAt.slice(0, 10)}`)
    .join(', ')
}

function waitingLine(waiting: Running['waiting']): string | undefined {
  if (waiting === undefined) return undefined
  const { clients, approvals, purges } = waiting
  const parts = [
    ...(clients > 0 ? [`${clients} clients to approve (ktadmin client list)`] : []),
    ...(approvals > 0 ? [`${approvals} retrievals for trustees to approve`] : []),
    ...(purges > 0 ? [`${purges} purges for the HSM (ktadmin deposit purges)`] : []),
  ]
  return parts.join('; ') || 'nothing'
}

function quotaLine(quotas: Running['quotas']): string | undefined {
  if (quotas === undefined) return undefined
  const near = quotas.map(
    ({ organisation, deposits, most }) => `${organisation} ${deposits}/${most}`,
  )
  return near.length === 0 ? 'all organisations below 80 %' : `near the limit: ${near.join(', ')}`
}

/** The copies of the database, then every server that writes to them. */
function installationLines(seen: Running['installation']): Record<string, string> {
  if (!seen) return {}
  const { mode, noLoss, databases, nodes } = seen
  const promise = noLoss
    ? 'no acknowledged deposit is lost with one machine'
    : 'NO PROMISE of no loss'
  return {
    role: `${mode}; ${promise}`,
    ...Object.fromEntries(
      databases.map(({ place, role, ageMs, timeline, fault }) => [
        `copy ${place}`,
        [role, timeline && `timeline ${timeline}`, seconds(ageMs, 'behind at most'), fault]
          .filter(Boolean)
          .join(', '),
      ]),
    ),
    ...Object.fromEntries(
      nodes.flatMap(({ url, name, ageMs, version, self, serverFingerprint, keyHsm }) => [
        [
          `node ${url}`,
          `${name}${self ? ' (this one)' : ''}, ${version}, ${seconds(ageMs, 'wrote')} ago, ${serverFingerprint}`,
        ],
        ...(self || !keyHsm ? [] : [[`key hsm of ${name}`, line(keyHsm)]]),
      ]),
    ),
  }
}

function seconds(ms: number | undefined, what: string): string | undefined {
  return ms === undefined ? undefined : `${what} ${(ms / 1000).toFixed(1)} s`
}

function hsmBackupLine(backup: Running['hsmBackup']): string {
  if (backup === undefined) return 'never reported: ktadmin hsm-backup-done'
  const { at, newerRevisions = 'unknown' } = backup
  return `of ${at}; revisions sealed since: ${newerRevisions}`
}

function line({ healthy, detail }: Running['parts']['database']): string {
  return healthy ? detail : `NOT HEALTHY: ${detail}`
}
