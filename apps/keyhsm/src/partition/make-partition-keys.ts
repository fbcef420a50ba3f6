/**
 * Preparing a partition, once, by order of `keyhsm setup`. Two set-ups that race end with the same keys: each makes what
 * it misses, waits, looks again, and removes its own key where another with a lower id has appeared.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, DomainError, type HsmKeyId, systemClock } from '@keyhsm/core'
import type { Hsm, HsmKey, KeyKind, KeySpec, WrappingKind } from '@keyhsm/hsm'
import { randomBytes } from 'node:crypto'
import { formatPartitionLabel, parseLabel } from '../keys/labels.js'
import { proveKey } from '../keys/prove-key.js'
import {
  connectDomain,
  type Domain,
  findAuthKeys,
  findOwnKeys,
  findPartitionKeys,
  type PartitionKeys,
  wrongPartition,
} from './partition-keys.js'

export interface MakePartitionKeysOptions {
  /** Kind of the canary key. */
  readonly kind: WrappingKind
  /** The domain recorded by an earlier set-up: another partition is refused unless `force`. */
  readonly expectedDomain?: string
  readonly force?: boolean
  readonly clock?: Clock
  /** How long to wait for keys of a racing set-up. */
  readonly settleMs?: number
}

export interface MadePartition {
  readonly keys: PartitionKeys
  /** Labels of the keys this call made. */
  readonly made: readonly string[]
}

const defaultSettleMs = 300

/**
 * Finds the partition's keys and makes those that are missing.
 * @throws ERR_WRONG_PARTITION when another partition was set up before, or when the authentication key of a partition in
 * use is gone (a new one would open nothing of what was sealed), unless `force`.
 */
export async function makePartitionKeys(
  hsm: Hsm,
  options: MakePartitionKeysOptions,
): Promise<MadePartition> {
  const made: HsmKey[] = []
  const expected = options.force ? undefined : options.expectedDomain
  const listed = await hsm.listKeys()
  const domain =
    (await connectDomain(hsm, listed, options.expectedDomain)) ??
    (await makeDomain(hsm, listed, { ...options, expected }, made))
  try {
    await makeOwnKeys(hsm, domain, options, made)
  } finally {
    domain.kAuth.wipe()
  }
  const keys = await findPartitionKeys(hsm, await hsm.listKeys(), domain.domain)
  if ('missing' in keys) throw wrongPartition(hsm, domain.domain)
  return { keys, made: made.map((key) => key.label) }
}

type Making = MakePartitionKeysOptions & { readonly expected: string | undefined }

async function makeDomain(
  hsm: Hsm,
  listed: readonly HsmKey[],
  options: Making,
  made: HsmKey[],
): Promise<Domain> {
  if (options.expected !== undefined) throw wrongPartition(hsm, options.expected)
  const existing = await connectDomain(hsm, listed)
  if (existing) return existing
  if (!options.force && listed.some((key) => parseLabel(key.label) !== undefined)) {
    throw lostAuthKey(hsm)
  }
  const id = randomBytes(16).toString('hex') as HsmKeyId
  const kind = chooseAuthKind(hsm)
  const label = formatPartitionLabel('auth', now(options))
  const spec = { id, kind, label, use: 'authenticate' } as const
  await makeUnlessRaced(hsm, [{ spec, find: findAuthKeys }], options, made)
  const domain = await connectDomain(hsm, await hsm.listKeys())
  if (!domain) throw new DomainError('ERR_HSM_REFUSED', 'the HSM does not show the key it made')
  return domain
}

async function makeOwnKeys(
  hsm: Hsm,
  { keyIds }: Domain,
  options: MakePartitionKeysOptions,
  made: HsmKey[],
): Promise<void> {
  const wanted = [
    { purpose: 'canary', use: 'wrap', kind: options.kind },
    { purpose: 'audit', use: 'sign', kind: 'ec-p256' },
  ] as const
  const listed = await hsm.listKeys()
  const missing = wanted.flatMap(({ purpose, use, kind }) => {
    const find = (keys: readonly HsmKey[]) => findOwnKeys(keys, keyIds, purpose)
    if (find(listed).length > 0 || !hsm.capabilities.kinds.includes(kind)) return []
    const label = formatPartitionLabel(purpose, now(options))
    return [{ find, spec: { id: keyIds.issue({ purpose }), kind, label, use } }]
  })
  await makeUnlessRaced(hsm, missing, options, made)
}

/** A key to make, and how all of its sort are found in a listing. */
interface Missing {
  readonly spec: KeySpec
  readonly find: (keys: readonly HsmKey[]) => HsmKey[]
}

async function makeUnlessRaced(
  hsm: Hsm,
  missing: readonly Missing[],
  options: MakePartitionKeysOptions,
  made: HsmKey[],
): Promise<void> {
  if (missing.length === 0) return
  const keys: HsmKey[] = []
  for (const { spec } of missing) {
    const key = await hsm.createKey(spec)
    if (key.use === 'wrap') await proveKey(hsm, key)
    keys.push(key)
  }
  await sleep(options.settleMs ?? defaultSettleMs)
  const listed = await hsm.listKeys()
  for (const [index, key] of keys.entries()) {
    const [winner] = missing[index]?.find(listed) ?? []
    if (winner && winner.id !== key.id) await hsm.destroyKey(key.id)
    else made.push(key)
  }
}

function chooseAuthKind(hsm: Hsm): KeyKind {
  const kind = (['hmac-sha256', 'cmac-aes-256'] as const).find((candidate) =>
    hsm.capabilities.kinds.includes(candidate),
  )
  if (!kind) {
    throw new DomainError('ERR_HSM_NOT_SUPPORTED', 'the HSM has neither HMAC-SHA-256 nor AES-CMAC')
  }
  return kind
}

function lostAuthKey(hsm: Hsm): DomainError {
  return new DomainError(
    'ERR_WRONG_PARTITION',
    `${hsm.description} holds keys of Key HSM but not the one that authenticates them`,
    {
      hints: [
        'restore the auth-… key from a backup of the HSM: without it no earlier deposit opens',
        'or use an empty partition; --force makes a new key here all the same',
      ],
    },
  )
}

function now(options: MakePartitionKeysOptions): Date {
  return (options.clock ?? systemClock).now()
}
