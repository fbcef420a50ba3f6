/** `ktadmin hsm-keys`: this realm's keys in the HSM. */
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  printFields,
  printTable,
} from '@keyhsm/command-line'
import { invalidInput, newUuid } from '@keyhsm/core'
import {
  pruneConfirmRoute,
  pruneReportRoute,
  type ReplyOf,
  revokeHsmKeyRoute,
} from '@keyhsm/protocol'
import { type HsmKeyUse, usesShown } from '../hsm-keys/list-hsm-keys.js'
import { confirmFinal } from './confirm-final.js'
import { asOption, callServer } from './control.js'
import { listKeys } from './list-keys.js'

type Reported = ReplyOf<typeof pruneReportRoute>
type Pruned = ReplyOf<typeof pruneConfirmRoute>
type Revoked = ReplyOf<typeof revokeHsmKeyRoute>

/** A report of a million keys has about 150 MB; this admits half of that. */
const maxReportBytes = 64 * 1024 * 1024

export const hsmKeyCommands: readonly Command[] = [
  {
    name: 'hsm-keys list',
    summary: 'list this realm’s HSM keys and the deposits that need them',
    options: [asOption],
    async run(input, io): Promise<readonly HsmKeyUse[]> {
      const { keys, unreachable } = await listKeys(input)
      sayUnreachable(unreachable, io)
      return keys
    },
    print(keys: readonly HsmKeyUse[], io: Io) {
      const rows = keys.map(({ uses, createdOn: created, ...key }) => ({
        ...key,
        created,
        needed: uses.map(({ handle, revision }) => `${handle}#${revision}`).join(' ') || '-',
      }))
      printTable(rows, ['label', 'purpose', 'kind', 'created', 'backend', 'needed', 'id'], io)
    },
  },
  {
    name: 'hsm-keys prune',
    summary:
      'report HSM keys that nothing needs; with --confirm destroy those of an earlier report',
    options: [
      {
        flag: 'confirm',
        value: 'F',
        file: true,
        maxBytes: maxReportBytes,
        describe: 'report file; its keys that were reported long enough are destroyed',
      },
      asOption,
    ],
    async run(input): Promise<Reported | Pruned> {
      const file = input.files['confirm']
      if (file === undefined) return callServer(input, pruneReportRoute)
      return callServer(input, pruneConfirmRoute, { body: { report: parseReport(file) } })
    },
    print(result: Reported | Pruned, io: Io) {
      if ('report' in result) printReported(result, io)
      else printPruned(result, io)
    },
  },
  {
    name: 'hsm-keys revoke',
    summary: 'make an HSM key, and every deposit sealed under it, unusable for ever',
    arguments: [{ name: 'key', describe: 'label or id' }],
    options: [{ flag: 'yes', short: 'y', describe: 'do not ask' }, asOption],
    async run(input, io): Promise<Revoked> {
      const key = input.args['key'] ?? ''
      await sayUses(key, input, io)
      const question = `Revoke ${key} for ever, with every deposit sealed under it? [y/N] `
      await confirmFinal(question, optionGiven(input, 'yes'), io)
      return callServer(input, revokeHsmKeyRoute, { body: { requestId: newUuid(), key } })
    },
    print({ key, outcome }: Revoked, io: Io) {
      const { label, id, uses } = key
      printFields({ label, id, outcome, 'deposits lost': uses.length }, io)
    },
  },
]

/** Says what would be lost before anybody answers. A key that is not there is left to the order itself to refuse. */
async function sayUses(name: string, input: Input, io: Io): Promise<void> {
  const { keys } = await listKeys(input)
  const found = keys.filter(({ id, label }) => id === name || label === name)
  for (const { label, purpose, createdOn, backend, uses } of found) {
    io.words(`${label}: scope ${purpose}, of ${createdOn ?? 'an unknown date'}, in ${backend}`)
    if (uses.length === 0) io.words('no deposit needs it')
    else io.words('these deposits can never be opened again:')
    const rows = uses.map(({ handle, revision, deposit }) => ({ handle, revision, deposit }))
    if (rows.length > 0) printTable(rows, ['handle', 'revision', 'deposit'], { stdout: io.stderr })
    if (uses.length >= usesShown) io.words(`only the first ${usesShown} are shown`)
  }
}

function sayUnreachable(backends: readonly string[], io: Io): void {
  for (const name of backends)
    io.words(`warning: the HSM ${name} cannot be asked now: its keys are not among these`)
}

function printReported({ report, file, destroyable, unreachable }: Reported, io: Io): void {
  sayUnreachable(unreachable, io)
  printTable(report.keys, ['label', 'firstReportedAt', 'id'], io)
  io.words(
    `${report.keys.length} HSM keys are needed by nothing, ${destroyable} of them long enough`,
  )
  io.words(`the report is ${file}`)
  if (destroyable > 0) io.hint(`to destroy them: ktadmin hsm-keys prune --confirm ${file}`)
}

function printPruned({ destroyed, kept }: Pruned, io: Io): void {
  const rows = [
    ...destroyed.map((key) => ({ ...key, result: 'destroyed' })),
    ...kept.map(({ reason, ...key }) => ({ ...key, result: `kept: ${reason}` })),
  ]
  printTable(rows, ['label', 'result', 'id'], io)
}

function parseReport(file: Buffer): Reported['report'] {
  try {
    return JSON.parse(file.toString('utf8')) as Reported['report']
  } catch {
    throw invalidInput('--confirm', 'must name a report file written by ktadmin hsm-keys prune')
  }
}
