import {
  type Command,
  type Io,
  optionGiven,
  printFields,
  printLine,
  printTable,
} from '@keyhsm/command-line'
import { DomainError, type HsmKeyId, invalidInput } from '@keyhsm/core'
import { pathsIn } from '../paths.js'
import { type AdministeredKey, type KeyAccess, withKeys } from './key-access.js'

const nameArgument = { name: 'LABEL|ID', describe: 'whole label or id of the key' }

/** Lists every key of the partition. */
export const keysListCommand: Command = {
  name: 'keys list',
  summary: 'list the HSM keys of the partition',
  aliases: ['keys ls'],
  run: ({ home }) => withKeys(pathsIn(home.keyhsm), (keys) => keys.list()),
  print: (keys: readonly AdministeredKey[], io) =>
    printTable(keys, ['label', 'purpose', 'realm', 'kind', 'createdOn', 'id'], io),
}

/** Shows one key. */
export const keysShowCommand: Command = {
  name: 'keys show',
  summary: 'show one HSM key',
  arguments: [nameArgument],
  run: ({ home, args }) =>
    withKeys(pathsIn(home.keyhsm), (keys) => findOne(keys, args[nameArgument.name] ?? '')),
  print: (key: AdministeredKey, io) => printFields(key, io),
}

/** What revoking a key of each purpose means. */
const meanings: Readonly<Partial<Record<AdministeredKey['purpose'], string>>> = {
  deposit: 'one deposit can never be opened again',
  organisation: 'EVERY deposit of an organisation sealed under this key can never be opened again',
  service: 'EVERY deposit of the realm sealed under this key can never be opened again',
  unknown: 'whatever was sealed under this key can never be opened again',
}

interface RevokeResult {
  readonly id: string
  readonly label: string
  readonly outcome: 'destroyed' | 'already-gone'
}

/** Revokes one key, after saying what that means. */
export const keysRevokeCommand: Command = {
  name: 'keys revoke',
  summary: 'make an HSM key, and what is sealed under it, unusable for ever',
  arguments: [nameArgument],
  options: [{ flag: 'yes', describe: 'do not ask' }],
  run: (input, io): Promise<RevokeResult> =>
    withKeys(pathsIn(input.home.keyhsm), async (keys) => {
      const key = await findOne(keys, input.args[nameArgument.name] ?? '')
      requireRevocable(key)
      sayMeaning(key, io)
      if (!optionGiven(input, 'yes')) await confirm(key, io)
      const { id, label } = key
      return { id, label, outcome: await keys.revoke(id as HsmKeyId) }
    }),
  print({ label, outcome }: RevokeResult, io) {
    printLine(`${label}: ${outcome === 'destroyed' ? 'revoked' : 'was gone already'}`, io)
  },
}

/** @throws ERR_NOT_FOUND when no key has the name; ERR_CONFLICT when several have. */
async function findOne(keys: KeyAccess, name: string): Promise<AdministeredKey> {
  const [key, ...others] = await keys.list(name)
  if (!key) throw new DomainError('ERR_NOT_FOUND', `no HSM key has the label or id ${name}`)
  if (others.length === 0) return key
  const hints = [key, ...others].map(({ id, purpose }) => `${id} (${purpose})`)
  throw new DomainError('ERR_CONFLICT', `several keys have the label ${name}: give the id`, {
    hints,
  })
}

function requireRevocable({ label, purpose }: AdministeredKey): void {
  if (meanings[purpose]) return
  throw new DomainError('ERR_NOT_ALLOWED', `${label} is the partition’s own key`, {
    hints: ['every deposit of this partition depends on it; to give all up, wipe the partition'],
  })
}

function sayMeaning({ label, purpose, realm, kind, createdOn }: AdministeredKey, io: Io): void {
  io.words(
    `${label}: scope ${purpose}, realm ${realm ?? 'unknown'}, ${kind}, of ${createdOn ?? '?'}`,
  )
  io.words(`${meanings[purpose]}; only the HSM’s own backups could bring it back`)
}

async function confirm({ label }: AdministeredKey, io: Io): Promise<void> {
  if (!io.isTerminal) throw invalidInput('--yes', 'is needed where nobody can be asked')
  const typed = await io.ask('Type the label to revoke it: ')
  if (typed.trim() !== label) throw invalidInput('label', 'was not typed: nothing is revoked')
}
