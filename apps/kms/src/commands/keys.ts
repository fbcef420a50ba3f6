/** `keytrustee-kms keys list|undelete|purge`: as the KMS itself, whether the service runs or not. */
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  printLine,
  printable,
  printTable,
} from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'
import { tellPurged } from '../api/manage-keys.js'
import { auditedChange } from '../service/audited-change.js'
import { withKeyStore } from '../service/with-key-store.js'
import { purgeKey } from '../zone-keys/purge-key.js'
import { undeleteKey } from '../zone-keys/undelete-key.js'
import type { NamedKey, ZoneKey } from '../zone-keys/zone-key.js'
import { operatorName, pathsOf } from './folder.js'

interface Row {
  readonly name: string
  readonly cipher: string
  readonly bits: number
  readonly versions: number
  readonly created: string
  /** `purging`: a purge is under way or was cut off; running instances end it. */
  readonly state?: 'deleted' | 'purging'
  readonly deleted?: string
  readonly deletedBy?: string
}

const keyArgument = { name: 'key', describe: 'name of the key' }

export const keysCommands: readonly Command[] = [
  {
    name: 'keys list',
    summary: 'list the zone keys by their Hadoop names',
    options: [{ flag: 'deleted', describe: 'list the deleted ones, which can be brought back' }],
    run: (input) =>
      withKeyStore(pathsOf(input), async ({ directory }) => {
        const all = await directory.lookAll()
        return all.flatMap(optionGiven(input, 'deleted') ? toDeletedRows : toRows)
      }),
    print(rows: readonly Row[], io: Io) {
      const columns = ['name', 'cipher', 'bits', 'versions', 'created']
      const more = rows.some(({ deleted }) => deleted !== undefined)
        ? ['state', 'deleted', 'deletedBy']
        : []
      printTable(rows as readonly (Row & Record<string, unknown>)[], [...columns, ...more], io)
    },
  },
  {
    name: 'keys undelete',
    summary: 'bring a deleted key back',
    arguments: [keyArgument],
    async run(input) {
      const name = keyOf(input)
      const operator = operatorName()
      await auditedChange(pathsOf(input), { op: 'UNDELETE_KEY', key: name, operator }, (store) =>
        undeleteKey(store, { name, by: operator }),
      )
      return { name, state: 'active' }
    },
    print: ({ name }: { readonly name: string }, io: Io) =>
      printLine(
        printable(`${name} is back; running instances know it within their cache time`),
        io,
      ),
  },
  {
    name: 'keys purge',
    summary: 'remove the deposits of a deleted key: files encrypted with it are lost',
    arguments: [keyArgument],
    options: [{ flag: 'yes', short: 'y', describe: 'do not ask' }],
    run: purge,
    print: printPurged,
  },
]

async function purge(input: Input, io: Io) {
  const name = keyOf(input)
  if (!optionGiven(input, 'yes')) {
    if (!io.isTerminal)
      throw new DomainError('ERR_INVALID_INPUT', 'nobody can be asked', {
        hints: ['give --yes when every file encrypted with this key may be lost'],
      })
    const answer = await io.ask(
      printable(`Files encrypted with the deleted key ${name} will be lost. Go on? [y/N] `),
    )
    if (!/^y(es)?$/i.test(answer.trim()))
      throw new DomainError('ERR_INVALID_INPUT', 'not confirmed: nothing was changed')
  }
  const operator = operatorName()
  const { keys, versions, pending, shared } = await auditedChange(
    pathsOf(input),
    { op: 'PURGE_KEY', key: name, operator },
    (store) => purgeKey(store, { name, by: operator }),
    tellPurged,
  )
  return { name, purged: keys, versions, pending, shared }
}

type PurgeResult = Awaited<ReturnType<typeof purge>>

function printPurged(result: PurgeResult, io: Io): void {
  const { name, purged, versions, pending, shared } = result
  printLine(printable(`${purged} deleted keys called ${name} are purged, ${versions} versions`), io)
  if (pending > 0)
    io.words(`${pending} HSM keys are revoked by the Trustee Server when the HSM answers`)
  if (shared > 0)
    io.words(`${shared} were sealed under shared HSM keys: their bytes in older backups still open`)
}

function keyOf(input: Input): string {
  return input.args['key'] ?? ''
}

function toRows({ name, key }: NamedKey): Row[] {
  return key ? [toRow(name, key)] : []
}

function toDeletedRows({ name, deleted }: NamedKey): Row[] {
  return deleted.map(({ key, deletedAt, deletedBy, purging }) => ({
    ...toRow(name, key),
    state: purging ? ('purging' as const) : ('deleted' as const),
    deleted: new Date(deletedAt).toISOString(),
    deletedBy,
  }))
}

function toRow(name: string, { cipher, bits, versions, createdAt }: ZoneKey): Row {
  return { name, cipher, bits, versions, created: new Date(createdAt).toISOString() }
}
