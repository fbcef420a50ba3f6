/** `ktadmin drill` and `ktadmin hsm-keys missing`. */
import { type Command, type Io, optionText, printFields, printTable } from '@keyhsm/command-line'
import { missingHsmKeysRoute } from '@keyhsm/protocol'
import { drill, type DrillReport } from '../backup/drill.js'
import { interruptible } from '../backup/interruptible.js'
import type { MissingKeys } from '../hsm-keys/find-missing-keys.js'
import { pathsIn } from '../paths.js'
import { identityOption, progressTo, readKey } from './backup-options.js'
import { asOption, callServer } from './control.js'

export const drillCommands: readonly Command[] = [
  {
    name: 'drill',
    summary: 'prove a backup: load it beside the server and open one deposit of each kind',
    arguments: [{ name: 'file', describe: 'backup' }],
    options: [identityOption('file with the identity that opens the backup', true), asOption],
    run: (input, io) => {
      const key = readKey(input)
      const onProgress = progressTo(io)
      return interruptible((signal) =>
        drill({
          paths: pathsIn(input.home.keytrustee),
          as: optionText(input, 'as'),
          file: input.args['file'] ?? '',
          key,
          signal,
          onProgress,
        }),
      )
    },
    print: printReport,
    exitCode: ({ ok }: DrillReport) => (ok ? 0 : 1),
  },
  {
    name: 'hsm-keys missing',
    summary: 'list the deposits whose HSM key is not in the HSM: they cannot be opened',
    options: [asOption],
    run: (input) => callServer(input, missingHsmKeysRoute),
    print: printMissing,
    exitCode: ({ missing }: MissingKeys) => (missing === 0 ? 0 : 1),
  },
]

function printReport(report: DrillReport, io: Io): void {
  printFields(
    {
      drill: report.ok ? 'passed' : 'FAILED',
      backup: `${report.file} of ${report.madeAt}`,
      'SHA-256': report.sha256,
      rows: report.rows,
      deposits: report.deposits,
      'rows not written by this server': report.unbelieved,
      seconds: report.seconds,
    },
    io,
  )
  printTable(
    report.canaries.map((canary) => ({ ...canary })),
    ['organisation', 'scope', 'handle', 'revision', 'result'],
    io,
  )
  printMissing(report.missingKeys, io)
}

/** Shared with `ktadmin restore`. */
export function printMissing({ needed, missing, keys }: MissingKeys, io: Io): void {
  printFields({ 'HSM keys needed': needed, 'missing in the HSM': missing }, io)
  const rows = keys.flatMap(({ id, uses }) => uses.map((use) => ({ ...use, key: id })))
  if (rows.length > 0) printTable(rows, ['handle', 'revision', 'deposit', 'key'], io)
}
