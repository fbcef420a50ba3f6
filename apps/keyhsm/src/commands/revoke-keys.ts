/** `keyhsm keys revoke`: says what it means, asks, and makes keys unusable for ever. */
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  optionTexts,
  printLine,
} from '@keyhsm/command-line'
import { DomainError, invalidInput } from '@keyhsm/core'
import { verifyAudit } from '@keyhsm/service'
import { findCopies } from '../keys/find-copies.js'
import { pathsIn } from '../paths.js'
import { type AdministeredKey, type KeyAccess, withKeys } from './key-access.js'
import {
  backendOption,
  findKeys,
  findSome,
  keyArgument,
  readSelection,
  sayUnreachable,
  type Selection,
  selectionOptions,
} from './key-selection.js'

/** What revoking a key of each purpose means. */
const meanings: Readonly<Partial<Record<AdministeredKey['purpose'], string>>> = {
  deposit: 'one deposit can never be opened again',
  organisation: 'EVERY deposit of an organisation sealed under this key can never be opened again',
  service: 'EVERY deposit of the realm sealed under this key can never be opened again',
  pool: 'nothing is lost: the key was made ahead and is not used yet',
  unknown: 'whatever was sealed under this key can never be opened again',
}

interface Revoked {
  readonly id: string
  readonly label: string
  readonly outcome: 'destroyed' | 'already-gone'
}

/** Revokes keys, after saying what that means. */
export const keysRevokeCommand: Command = {
  name: 'keys revoke',
  summary: 'make HSM keys, and what is sealed under them, unusable for ever',
  arguments: [keyArgument],
  options: [
    ...selectionOptions,
    {
      flag: 'with-copies',
      describe:
        'also every key under which the same deposits were resealed, as the audit says; KEY may be gone already',
    },
    { flag: 'yes', describe: 'do not ask (a key that deposits share needs --confirm too)' },
    {
      flag: 'confirm',
      value: 'LABEL',
      describe: 'label of a key that deposits share, in place of typing it',
      repeatable: true,
    },
  ],
  async run(input, io): Promise<readonly Revoked[]> {
    const selection = readSelection(input)
    if (!selection) throw invalidInput(keyArgument.name, 'or --handle or --date is needed')
    const paths = pathsIn(input.home.keyhsm)
    const revoke = async (keys: KeyAccess) => {
      const meant = optionGiven(input, 'with-copies')
        ? await withCopies({ keys, audit: paths.audit }, selection, io)
        : selection
      const found = await findRevocable(keys, meant)
      for (const key of found) sayMeaning(key, io)
      await confirm(found, input, io)
      return await revokeEach(keys, found, io)
    }
    const backend = optionText(input, backendOption.flag)
    return await withKeys(paths, revoke, backend)
  },
  print(revoked: readonly Revoked[], io) {
    for (const { label, outcome } of revoked) {
      printLine(`${label}: ${outcome === 'destroyed' ? 'revoked' : 'was gone already'}`, io)
    }
  },
}

/** What is meant, there or gone, with every key under which the same revisions were sealed. */
async function withCopies(
  { keys, audit: directory }: { readonly keys: KeyAccess; readonly audit: string },
  { name, ...selection }: Selection,
  io: Io,
): Promise<Selection> {
  const { ok } = await verifyAudit({ directory, service: 'keyhsm' })
  if (!ok) io.words('warning: the audit has faults, copies may be missing: keyhsm audit verify')
  const found = new Set((await findKeys(keys, selection)).map(({ id }) => id))
  const isMeant = (key: { readonly id: string; readonly label: string | undefined }) =>
    found.has(key.id) || (name !== undefined && (key.id === name || key.label === name))
  const copies = await findCopies(directory, isMeant)
  sayUnreachable(keys, io)
  const words = `${selection.words}, or sealed besides`
  return { words, matches: (key) => selection.matches(key) || copies.has(key.id) }
}

/** @throws ERR_NOT_FOUND; ERR_CONFLICT when several keys have the label; ERR_NOT_ALLOWED for the partition's own keys. */
async function findRevocable(keys: KeyAccess, selection: Selection): Promise<AdministeredKey[]> {
  const found = await findSome(keys, selection)
  if (selection.name !== undefined && found.length > 1) {
    throw new DomainError(
      'ERR_CONFLICT',
      `several keys have the label ${selection.name}: give the id`,
      {
        hints: found.map(({ id, purpose, backend }) => `${id} (${purpose}, in ${backend})`),
      },
    )
  }
  for (const { label, purpose } of found) {
    if (meanings[purpose]) continue
    throw new DomainError('ERR_NOT_ALLOWED', `${label} is the partition’s own key`, {
      hints: ['every deposit of this partition depends on it; to give all up, wipe the partition'],
    })
  }
  return found
}

function sayMeaning(key: AdministeredKey, io: Io): void {
  const { label, purpose, realm, kind, createdOn, backend } = key
  io.words(
    `${label}: scope ${purpose}, realm ${realm ?? 'unknown'}, ${kind}, of ${createdOn ?? '?'}, in ${backend}`,
  )
  io.words(`${meanings[purpose]}; only the HSM’s own backups could bring it back`)
}

/** A yes is enough for deposits' own keys; a key that deposits share wants its label typed, one at a time. */
async function confirm(found: readonly AdministeredKey[], input: Input, io: Io): Promise<void> {
  const shared = found.filter(({ purpose }) => purpose !== 'deposit')
  const confirmed = new Set(optionTexts(input, 'confirm'))
  const open = shared.filter(({ label }) => !confirmed.has(label))
  if (!io.isTerminal && open[0]) {
    const rule = 'is needed for each key that deposits share, where nobody can be asked'
    throw invalidInput(`--confirm ${open[0].label}`, rule)
  }
  for (const { label } of open) await requireTyped(label, io)
  if (optionGiven(input, 'yes') || shared.length === found.length) return
  if (!io.isTerminal) throw invalidInput('--yes', 'is needed where nobody can be asked')
  const what = found.length === 1 ? 'this key' : `these ${found.length} keys`
  const answer = await io.ask(`Revoke ${what} for ever? [y/N] `)
  if (!/^y(es)?$/i.test(answer.trim())) {
    throw invalidInput('answer', 'was not yes: nothing is revoked')
  }
}

async function requireTyped(label: string, io: Io): Promise<void> {
  const typed = await io.ask(`Type the label of the shared key to revoke it (${label}): `)
  if (typed.trim() !== label) throw invalidInput('label', 'was not typed: nothing is revoked')
}

/** One after the other; when one fails, those before it are revoked and are named. */
async function revokeEach(
  keys: KeyAccess,
  found: readonly AdministeredKey[],
  io: Io,
): Promise<Revoked[]> {
  const revoked: Revoked[] = []
  for (const key of found) {
    const { id, label } = key
    try {
      revoked.push({ id, label, outcome: await keys.revoke(key) })
    } catch (error) {
      for (const done of revoked) io.words(`${done.label}: revoked`)
      io.words(`${label}: not revoked; run the command again for the rest`)
      throw error
    }
  }
  return revoked
}
