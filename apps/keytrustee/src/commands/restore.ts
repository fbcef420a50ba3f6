/** `ktadmin restore`, `ktadmin holds`, `ktadmin holds release`. */
import { isIP } from 'node:net'
import {
  type Command,
  type Io,
  optionGiven,
  optionText,
  optionTexts,
  printFields,
  printTable,
} from '@keyhsm/command-line'
import { invalidInput, newUuid, parseFingerprint, parseUuid } from '@keyhsm/core'
import { listHoldsRoute, releaseHoldsRoute, type ReplyOf } from '@keyhsm/protocol'
import { interruptible } from '../backup/interruptible.js'
import { restore, type RestoreReport } from '../backup/restore.js'
import { pathsIn } from '../paths.js'
import { identityOption, progressTo, readKey } from './backup-options.js'
import { asOption, callServer } from './control.js'

export const restoreCommands: readonly Command[] = [
  {
    name: 'restore',
    summary: 'make a server out of a backup, in an empty home on any host',
    setsUp: true,
    arguments: [{ name: 'file', describe: 'backup' }],
    options: [
      identityOption('file with the identity that opens the backup', true),
      {
        flag: 'hash',
        value: 'SHA256',
        describe: 'what ktadmin backup printed: a file with another hash is refused',
        check: (text) => parseFingerprint(text.toLowerCase(), '--hash'),
      },
      {
        flag: 'audit',
        value: 'DIR',
        describe: 'audit of the lost host: what it took away after the backup is taken away again',
      },
      {
        flag: 'audit-public-key',
        value: 'F',
        file: true,
        describe: 'the auditor’s own copy of audit.pub; without it the one in the backup is used',
      },
      { flag: 'address', value: 'IP', describe: 'address to listen on here', check: parseIp },
      { flag: 'port', value: 'N', describe: 'HTTPS port here', check: parsePort },
    ],
    run: (input, io) => {
      const key = readKey(input)
      return interruptible((signal) =>
        restore({
          paths: pathsIn(input.home.keytrustee),
          file: input.args['file'] ?? '',
          key,
          sha256: optionText(input, 'hash'),
          audit: optionText(input, 'audit'),
          auditPublicKey: input.files['audit-public-key']?.toString('utf8'),
          settings: {
            ...settingOf('keytrustee.server.host', optionText(input, 'address')),
            ...settingOf('keytrustee.server.port', optionText(input, 'port')),
          },
          signal,
          onProgress: progressTo(io),
        }),
      )
    },
    print: printReport,
  },
  {
    name: 'holds',
    summary: 'list the clients and deposits that are held since a restore',
    options: [asOption],
    run: (input) => callServer(input, listHoldsRoute),
    print({ clients, deposits }: ReplyOf<typeof listHoldsRoute>, io: Io) {
      const rows = [...clients, ...deposits].map((row) => ({ ...row }))
      printTable(rows, ['kind', 'name', 'uuid'], io)
    },
  },
  {
    name: 'holds release',
    summary: 'serve what was held since a restore again',
    options: [
      {
        flag: 'uuid',
        value: 'UUID',
        repeatable: true,
        describe: 'of a client or a deposit',
        check: (text) => parseUuid(text, '--uuid'),
      },
      { flag: 'all', describe: 'everything that is held' },
      asOption,
    ],
    run(input) {
      const uuids = optionTexts(input, 'uuid')
      const all = optionGiven(input, 'all')
      if (all === uuids.length > 0) throw invalidInput('--uuid', 'or --all must be given')
      const body = { requestId: newUuid(), ...(all ? { all } : { uuids: [...uuids] }) }
      return callServer(input, releaseHoldsRoute, { body })
    },
  },
]

function settingOf(name: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: value }
}

function parseIp(text: string): void {
  if (isIP(text) === 0) throw invalidInput('--address', 'must be an IP address')
}

function parsePort(text: string): void {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535)
    throw invalidInput('--port', 'must be a whole number from 0 to 65535')
}

function printReport(report: RestoreReport, io: Io): void {
  const { replayed, held, lost } = report
  printFields(
    {
      'restored from': report.madeAt,
      rows: report.rows,
      'SHA-256': report.sha256,
      'clients disabled again': replayed?.clientsDisabled,
      'organisations suspended again': replayed?.organisationsSuspended,
      'deposits removed again': replayed?.depositsRemoved,
      'deposits purged again': replayed?.depositsPurged,
      'counts brought up to date': replayed?.depositsCounted,
      'clients held': held.clients,
      'deposits held': held.deposits,
      'requests withdrawn': report.requestsWithdrawn,
      'revisions stored since and lost': replayed === undefined ? 'unknown' : lost.length,
    },
    io,
  )
  if (lost.length > 0)
    printTable(
      lost.map((row) => ({ ...row })),
      ['handle', 'revision', 'deposit'],
      io,
    )
  sayWhatIsLeft(report, io)
  io.hint(
    'next: keytrustee-server start; ktadmin keyhsm --server URL --trust; ktadmin hsm-keys missing',
  )
}

/** What an administrator has to look at. */
function sayWhatIsLeft({ replayed, revokedKeys, servers, held }: RestoreReport, io: Io): void {
  for (const key of revokedKeys)
    io.words(`HSM key ${key} was revoked since; if the HSM was restored too, revoke it again`)
  if (replayed !== undefined && servers > 1)
    io.words(
      `${servers} servers wrote to the database: what the others took away is in their audits, so everything is held`,
    )
  if (held.clients + held.deposits > 0)
    io.hint('what is held is not served: ktadmin holds; ktadmin holds release --uuid UUID | --all')
}
