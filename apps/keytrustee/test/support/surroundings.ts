/** A Trustee with its surroundings: memory store, real audit in a temporary folder, a Key HSM double, a settable clock. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newUuid, SecretBytes, type Uuid } from '@keyhsm/core'
import { type Audit, openAudit } from '@keyhsm/service'
import { onTestFinished } from 'vitest'
import { openHolds } from '../../src/backup/holds.js'
import { createDepositQueue } from '../../src/deposits/deposit-queue.js'
import { MovesUnderWay } from '../../src/migration/moves-under-way.js'
import { openRevocationLog } from '../../src/deposits/revocation-log.js'
import { type Grants, openGrants } from '../../src/grants.js'
import { createKeyHsmSealer } from '../../src/sealing/key-hsm-sealer.js'
import { createPassThroughSealer } from '../../src/sealing/pass-through.js'
import { createSealingState, type SealingState } from '../../src/sealing/sealing-state.js'
import { shareTransactions } from '../../src/store/share-transactions.js'
import { openMemoryStore } from '../../src/store/memory-store.js'
import type { Client, Organisation, Store } from '../../src/store/store.js'
import type { Caller, Limits, Trustee } from '../../src/trustee.js'
import { canary, KeyHsmDouble } from './key-hsm-double.js'

export const limits: Limits = {
  contentBytes: 1024,
  depositsPerClient: 100,
  depositsPerOrganisation: 200,
  hsmKeysPerHourPerClient: 100,
  hsmKeysPerHourPerOrganisation: 200,
  waitingClientsPerOrganisation: 2,
  undeleteMs: 30 * 86400_000,
  pruneMinAgeMs: 86400_000,
  approvalMs: 3600_000,
}

/** A clock that tests move. */
export class TestClock {
  instant = new Date('2026-11-22T10:00:00.000Z')

  now(): Date {
    return new Date(this.instant)
  }

  advance(ms: number): void {
    this.instant = new Date(this.instant.getTime() + ms)
  }
}

export interface AuditLine {
  readonly event: string
  readonly operation: string
  readonly requestId: string
  readonly actor: string
  readonly outcome?: string
  readonly reason?: string
  readonly subject?: Record<string, string | number>
}

export interface Surroundings {
  readonly trustee: Trustee & { readonly sealing: SealingState; readonly audit: Audit }
  readonly store: Store
  readonly grants: Grants
  readonly clock: TestClock
  readonly keyHsm: KeyHsmDouble
  readonly directory: string
  auditLines(): Promise<readonly AuditLine[]>
}

export interface SurroundingsOptions {
  readonly limits?: Partial<Limits>
  /** Default: joined to the double. */
  readonly sealing?: 'hsm' | 'pass-through' | 'none'
  /** Wraps the store, to let it fail. */
  readonly wrapStore?: (store: Store) => Store
  /** Instead of a fresh one in memory. */
  readonly store?: Store
}

export async function makeSurroundings(options: SurroundingsOptions = {}): Promise<Surroundings> {
  const directory = await mkdtemp(join(tmpdir(), 'keytrustee-test-'))
  const clock = new TestClock()
  const grants = openGrants(SecretBytes.own(randomBytes(32)))
  const plain = options.store ?? openMemoryStore()
  const store = options.wrapStore?.(plain) ?? plain
  const audit = await openAudit({ directory: join(directory, 'audit'), service: 'test', clock })
  onTestFinished(async () => {
    await audit.close()
    await rm(directory, { recursive: true, force: true })
  })
  const keyHsm = new KeyHsmDouble()
  const sealing = createSealingState({
    passThrough: createPassThroughSealer(grants),
    passThroughAllowed: options.sealing === 'pass-through',
    wasJoined: false,
  })
  if ((options.sealing ?? 'hsm') === 'hsm')
    sealing.join(createKeyHsmSealer(keyHsm, { canary }, 'deposit'))
  const queue = createDepositQueue()
  const revocations = await openRevocationLog(join(directory, 'revocations.log'), grants)
  const holds = await openHolds(join(directory, 'holds.json'))
  const all = { ...limits, ...options.limits }
  const moves = new MovesUnderWay()
  const commits = shareTransactions(store)
  const services = {
    store,
    commits,
    grants,
    audit,
    sealing,
    directions: { own: undefined, follow: () => Promise.resolve() },
    queue,
    moves,
    revocations,
    holds,
    clock,
  }
  const trustee = { ...services, limits: all }
  const auditLines = () => readAudit(join(directory, 'audit', 'audit.log'))
  return { trustee, store, grants, clock, keyHsm, directory, auditLines }
}

async function readAudit(file: string): Promise<readonly AuditLine[]> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n')
  return lines
    .map((line) => JSON.parse(line) as AuditLine)
    .filter(({ event }) => event !== undefined)
}

/** Rows of an organisation and one of its clients, granted and stored. */
export async function addCaller(
  { store, grants, clock }: Pick<Surroundings, 'store' | 'grants' | 'clock'>,
  o: {
    readonly organisation?: Organisation
    readonly name?: string
    readonly identityKey?: string
  } = {},
): Promise<Caller> {
  const organisation =
    o.organisation ??
    grants.organisation({
      uuid: newUuid(),
      name: `org-${randomBytes(4).toString('hex')}`,
      state: 'active',
      authHash: undefined,
      contacts: [],
      createdAt: clock.now(),
    })
  const client: Client = grants.client({
    uuid: newUuid(),
    organisation: organisation.uuid,
    name: o.name ?? `client-${randomBytes(4).toString('hex')}`,
    state: 'active',
    keyFingerprint: randomBytes(32).toString('hex') as Client['keyFingerprint'],
    identityKey: o.identityKey ?? 'not used here',
    recipient: 'age1notusedhere',
    createdAt: clock.now(),
  })
  await store.withTransaction(async (transaction) => {
    if (!o.organisation) await transaction.insertOrganisation(organisation)
    await transaction.insertClient(client)
  })
  return { client, organisation }
}

/** An Ed25519 key as clients send it. */
export function newIdentityKey(): string {
  const { publicKey } = generateKeyPairSync('ed25519')
  return publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
}

export function putRequest(
  handle: string,
  content: Uint8Array | string,
  o: { readonly requestId?: Uuid; readonly headers?: Record<string, string> } = {},
) {
  return {
    requestId: o.requestId ?? newUuid(),
    put: { handle, content: Buffer.from(content).toString('base64') },
    headers: o.headers ?? {},
  }
}
