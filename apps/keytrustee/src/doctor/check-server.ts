/** Checks of what runs, by what the running server says of itself and its parts. */
import { stat } from 'node:fs/promises'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { daemonState, verifyAudit } from '@keyhsm/service'
import { backupPattern } from '../backup/write-backup.js'
import { clusterStatus } from '../cluster/index.js'
import { readOptionalText, readText } from '../files.js'
import type { Paths } from '../paths.js'
import { settingPath } from '../settings.js'
import { version } from '../version.js'
import { type Check, fault, type Finding, ok, type Patient, skipped, warning } from './check.js'

const dayMs = 86_400_000
/** A backup older than this is warned of. */
const backupDays = 7
/** As the alert KeytrusteeNodeGone has it. */
const silentMs = 60_000

type Status = NonNullable<Patient['status']>

const notRunning = skipped('the server does not run')

export const serverChecks: readonly Check[] = [
  {
    name: 'server',
    async run({ paths, status }) {
      if (status)
        return [ok(`runs on ${status.address}, pid ${status.pid}`), ...sameVersion(status)]
      const { running } = daemonState(paths.pidFile)
      const detail = running ? 'it runs but does not answer' : 'it does not run'
      return [fault(detail, running ? 'see its log' : 'keytrustee-server start')]
    },
  },
  {
    name: 'database',
    async run({ paths, settings, status }) {
      if (status) return [partOf(status, 'database', 'docs/operations/outage.md, database lost')]
      if (!settings) return []
      if (settings.databaseUrl !== undefined) return [notRunning]
      const { state, version: major } = await clusterStatus({ directory: paths.database })
      if (state === 'absent') return [await absentDatabase(paths)]
      return [ok(`private, PostgreSQL ${major ?? ''}, ${state}`)]
    },
  },
  {
    name: 'Key HSM',
    run: onStatus((status) => [
      partOf(status, 'keyHsm', 'keyhsm status on its host; docs/operations/outage.md, HSM gone'),
    ]),
  },
  {
    name: 'audit',
    async run({ paths, status }) {
      const publicKey = await readText(paths.auditPublicKey)
      const {
        ok: whole,
        entries,
        faults,
      } = await verifyAudit({
        directory: paths.audit,
        publicKey,
        service: 'keytrustee',
      })
      const [first] = faults
      const chain = whole
        ? ok(`${entries} entries, the chain holds`)
        : fault(
            `${first?.file ?? ''} line ${first?.line ?? 0}: ${first?.what ?? ''}`,
            'ktadmin audit verify --public-key F',
          )
      return [chain, ...(status ? [partOf(status, 'audit', 'make room on its disk')] : [])]
    },
  },
  {
    name: 'backups',
    async run({ paths, settings, status, now }) {
      if (!settings) return []
      const folder = settingPath(paths, settings.backupDirectory)
      const newest = await newestBackup(folder)
      return [backupAge(newest, now), ...(status ? hsmBackup(status) : [])]
    },
  },
  {
    name: 'other servers',
    run: onStatus(({ installation }) => {
      const others = installation?.nodes.filter(({ self }) => !self) ?? []
      const found = others.flatMap(findNodeFaults)
      if (found.length > 0) return found
      return [ok(others.length === 0 ? 'there are none' : `${others.length}, all well`)]
    }),
  },
  {
    name: 'waiting',
    run: onStatus(({ waiting, held, migration }) => {
      const found = [
        ...lookAfter(waiting?.clients, 'clients wait to be approved', 'ktadmin client list'),
        ...lookAfter(waiting?.purges, 'purges wait for the HSM', 'keyhsm status on its host'),
        ...lookAfter(held?.clients, 'clients are held since a restore', 'ktadmin holds list'),
        ...lookAfter(held?.deposits, 'deposits are held since a restore', 'ktadmin holds list'),
      ]
      if (migration !== undefined) found.push(ok(migration))
      return found.length > 0 ? found : [ok('nothing waits for a person')]
    }),
  },
  {
    name: 'quotas',
    run: onStatus(({ quotas = [] }) => {
      if (quotas.length === 0) return [ok('all organisations below 80 %')]
      return quotas.map(({ organisation, deposits, most }) =>
        warning(
          `${organisation} has ${deposits} of ${most} deposits`,
          'raise keytrustee.quota.deposits-per-organisation, or remove deposits',
        ),
      )
    }),
  },
]

/** A server that was joined had one: an empty one in its place would serve nothing of what it stored. */
async function absentDatabase({ join: joinFile }: Paths): Promise<Finding> {
  const wasInUse = (await readOptionalText(joinFile)) !== undefined
  return wasInUse
    ? fault('the database is lost', 'ktadmin restore: docs/operations/outage.md, 5')
    : fault('there is no database', 'ktadmin db bootstrap')
}

function onStatus(look: (status: Status) => readonly Finding[]): Check['run'] {
  return ({ status }) => Promise.resolve(status ? look(status) : [notRunning])
}

type OtherServer = NonNullable<Status['installation']>['nodes'][number]

function findNodeFaults({ name, url, ageMs, keyHsm, version: other }: OtherServer): Finding[] {
  if (ageMs > silentMs) {
    const detail = `${name} (${url}) wrote last ${Math.round(ageMs / 1000)} s ago`
    return [fault(detail, 'start it, or ktadmin nodes remove: docs/operations/outage.md, 8')]
  }
  return [
    ...(keyHsm && !keyHsm.healthy
      ? [fault(`the Key HSM of ${name} (${url}): ${keyHsm.detail}`, 'keyhsm status on its host')]
      : []),
    ...(other === version
      ? []
      : [
          warning(`${name} (${url}) is version ${other}, this one ${version}`, 'upgrade the older'),
        ]),
  ]
}

function sameVersion(status: Status): Finding[] {
  if (status.version === version) return []
  const detail = `the running server is version ${status.version}, installed is ${version}`
  return [warning(detail, 'keytrustee-server stop, then start')]
}

function partOf({ parts }: Status, name: keyof Status['parts'], remedy: string): Finding {
  const { healthy, detail } = parts[name]
  return healthy ? ok(detail) : fault(detail, remedy)
}

function lookAfter(count: number | undefined, words: string, remedy: string): Finding[] {
  return count === undefined || count === 0 ? [] : [warning(`${count} ${words}`, remedy)]
}

async function newestBackup(folder: string): Promise<Date | undefined> {
  const names = await readdir(folder).catch(() => [])
  const newest = names
    .filter((name) => backupPattern.test(name))
    .sort()
    .at(-1)
  return newest === undefined ? undefined : (await stat(join(folder, newest))).mtime
}

function backupAge(newest: Date | undefined, now: Date): Finding {
  if (!newest) return warning('there is no backup in the backup folder', 'ktadmin backup')
  const days = Math.floor((now.getTime() - newest.getTime()) / dayMs)
  if (days < backupDays) return ok(`the newest is of ${newest.toISOString()}`)
  return warning(`the newest backup is ${days} days old`, 'ktadmin backup')
}

function hsmBackup({ hsmBackup: reported, sealing }: Status): Finding[] {
  if (sealing !== 'hsm') return []
  if (!reported)
    return [
      warning(
        'a backup of the HSM was never reported',
        'back it up, then: ktadmin hsm-backup-done',
      ),
    ]
  const { newerRevisions = 0, at } = reported
  if (newerRevisions === 0) return [ok(`the HSM’s is of ${at}, nothing was sealed since`)]
  return [
    warning(
      `${newerRevisions} revisions were sealed since the HSM was backed up`,
      'back it up, then: ktadmin hsm-backup-done',
    ),
  ]
}
