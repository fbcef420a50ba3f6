/**
 * What a migration is ordered to do: one file outside the database (0600), so that a database administrator can neither
 * begin one, nor turn it, nor have one of the past run again. The database holds how far it is.
 */
import { rm } from 'node:fs/promises'
import { DomainError, type Fingerprint, parseFingerprint, parseUuid, type Uuid } from '@keyhsm/core'
import { writeFileAtomically } from '@keyhsm/service'
import { readOptionalText, readPrivateText } from '../files.js'
import type { Paths } from '../paths.js'
import type { HsmKeyKind, SealTarget } from '../sealing/key-hsm-sealer.js'
import type { Scope } from '../sealing/sealer.js'
import type { FormPattern, MigrationState, Selection } from '../store/store.js'

/** Sealed in a partition; scope and kind as Key HSM is set where they are absent. */
export interface HsmForm {
  readonly sealing: 'hsm'
  readonly canary: Fingerprint
  readonly domain: string
  readonly scope?: Scope
  readonly kind?: HsmKeyKind
}

export type Form = HsmForm | { readonly sealing: 'pass-through' }

/** How new deposits were kept before, for a rollback. */
export interface Before {
  readonly canary: Fingerprint
  readonly domain: string
  readonly target?: SealTarget
  readonly passThrough?: true
}

/** States in which there is something left to do. */
export type OpenState = Exclude<MigrationState, 'finished' | 'rolled-back'>

export interface MigrationOrder {
  readonly uuid: Uuid
  readonly state: OpenState
  readonly from: FormPattern
  readonly to: Form
  /** Rotation: what got its present form before this instant gets a new one, under another HSM key. */
  readonly sealedBefore?: Date
  /** Drops the former forms by itself when everything is moved. */
  readonly finishesItself: boolean
  readonly startedBy: string
  readonly startedAt: Date
  readonly before: Before
}

const format = 'keytrustee-migration-1'

/** Undefined when none is under way. @throws ERR_SETTINGS when the file cannot be believed. */
export async function readMigrationOrder(
  paths: Pick<Paths, 'migration'>,
): Promise<MigrationOrder | undefined> {
  if ((await readOptionalText(paths.migration)) === undefined) return undefined
  const text = await readPrivateText(paths.migration)
  try {
    return parseOrder(JSON.parse(text) as Record<string, unknown>)
  } catch (cause) {
    throw new DomainError('ERR_SETTINGS', 'migration.json is damaged', {
      cause,
      hints: ['restore it from a backup: it says where deposits are being moved'],
    })
  }
}

export async function writeMigrationOrder(
  paths: Pick<Paths, 'migration'>,
  order: MigrationOrder,
): Promise<void> {
  const text = JSON.stringify({ format, ...order }, undefined, 2)
  await writeFileAtomically(paths.migration, `${text}\n`, 0o600)
}

export async function removeMigrationOrder(paths: Pick<Paths, 'migration'>): Promise<void> {
  await rm(paths.migration, { force: true })
}

/** What is left to move. */
export function selectionOf(order: MigrationOrder): Selection {
  const { from, to, sealedBefore, uuid: unfailedIn } = order
  return {
    from,
    to: patternOf(to),
    unfailedIn,
    ...(sealedBefore === undefined ? {} : { sealedBefore }),
  }
}

export function patternOf(form: Form): FormPattern {
  if (form.sealing === 'pass-through') return form
  const { sealing, canary, scope, kind } = form
  return {
    sealing,
    canary,
    ...(scope === undefined ? {} : { scope }),
    ...(kind === undefined ? {} : { kind }),
  }
}

/** Whether unsealed deposits are met on the way. */
export function meetsUnsealed({ from, to }: Pick<MigrationOrder, 'from' | 'to'>): boolean {
  return from.sealing === 'pass-through' || to.sealing === 'pass-through'
}

const states: readonly OpenState[] = ['running', 'paused', 'moved', 'finishing', 'rolling-back']

function parseOrder(fields: Record<string, unknown>): MigrationOrder {
  if (fields['format'] !== format) throw new Error('unknown format')
  const order = fields as unknown as MigrationOrder
  if (!states.includes(order.state)) throw new Error('unknown state')
  for (const form of [order.from, order.to])
    if (form.sealing !== 'hsm' && form.sealing !== 'pass-through') throw new Error('unknown form')
  parseFingerprint(order.before.canary, 'canary')
  const { format: _, ...rest } = fields
  return {
    ...(rest as unknown as MigrationOrder),
    uuid: parseUuid(order.uuid),
    startedAt: new Date(order.startedAt),
    ...(order.sealedBefore === undefined ? {} : { sealedBefore: new Date(order.sealedBefore) }),
  }
}
