/**
 * Joining a Key HSM, the story of `ktadmin keyhsm`: the whole way is proved (TLS both ways, describe, seal, open, canary)
 * before anything is saved; then the running server seals through it.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mayHaveBeenProcessed, type PartitionDescription } from '@keyhsm/client'
import { DomainError, type Fingerprint, invalidInput, toDomainError, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import { readText } from '../files.js'
import type { Paths } from '../paths.js'
import type { Trustee } from '../trustee.js'
import { type Joined, writeJoinFile } from './join-file.js'
import { connectKeyHsm, type KeyHsmAddress, type KeyHsmLink, openLink } from './key-hsm-link.js'
import { proveSample } from './prove-sample.js'
import type { SealingState } from './sealing-state.js'

export interface JoinOrder {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
  readonly url: string
  readonly serverCertificate: string
  readonly clientCertificate?: string
  readonly clientKey?: string
  readonly passphrase?: string
}

export interface JoinDesk {
  readonly trustee: Trustee
  readonly sealing: SealingState
  readonly paths: Paths
  /** The link in use; undefined before the server is joined. */
  current(): KeyHsmLink | undefined
  /** Puts another link in use and lets the old one finish. */
  use(link: KeyHsmLink): void
}

export interface JoinResult {
  readonly joined: Joined
  readonly partition: PartitionDescription
}

/**
 * @throws ERR_CONFLICT when deposits are stored that the new Key HSM could not open; ERR_INVALID_INPUT for certificates
 * that cannot be used; ERR_NOT_AUTHENTICATED, ERR_UNAVAILABLE and the HSM's own when the way is not open. Nothing is
 * saved then.
 */
export async function joinKeyHsm(desk: JoinDesk, order: JoinOrder): Promise<JoinResult> {
  const release = desk.sealing.holdPassThrough()
  try {
    if (!desk.current()) await desk.trustee.queue.settled()
    await requireNoPassThrough(desk)
    const address = await toAddress(desk.paths, order)
    const partition = await provePartition(desk.trustee, address, order.requestId)
    await requireSamePartition(desk, partition)
    const joined = toJoined(desk.trustee, address, partition)
    const operation = {
      operation: 'join',
      requestId: order.requestId,
      actor: order.actor,
      subjects: [{ url: joined.url, realm: joined.realm, canary: joined.canary }],
    }
    await audited(desk.trustee.audit, operation, 'done', () => save(desk, joined))
    return { joined, partition }
  } finally {
    release()
  }
}

async function save(desk: JoinDesk, joined: Joined): Promise<void> {
  const { url, realm, canary, domain, joinedAt } = joined
  // The database first: if the file then fails, nothing passes through any more and joining again mends it.
  await desk.trustee.store.withTransaction((transaction) =>
    transaction.saveJoin({ url, realm, canary, domain, joinedAt }),
  )
  await writeJoinFile(desk.paths, joined)
  const link = openLink(joined)
  desk.use(link)
  desk.sealing.join(link.sealer)
}

/** Deposits from before joining are not sealed, and nothing here can seal them yet. */
async function requireNoPassThrough(desk: JoinDesk): Promise<void> {
  if (desk.current() || (await desk.trustee.store.findJoin())) return
  const { deposits } = await desk.trustee.store.listDeposits({ limit: 1 })
  if (deposits.length === 0) return
  const count = await desk.trustee.store.countDeposits()
  throw new DomainError(
    'ERR_CONFLICT',
    `${count} active deposits are stored without an HSM, and migrating them is not there yet: nothing was changed`,
    {
      hints: [
        'join a Key HSM before the first deposit, or retrieve and store them anew on a joined server',
      ],
    },
  )
}

/** Another partition cannot open what is stored; another Key HSM of the same partition can. */
async function requireSamePartition(
  { trustee }: JoinDesk,
  partition: PartitionDescription,
): Promise<void> {
  const before = await trustee.store.findJoin()
  const same =
    !before ||
    (before.canary === partition.canary &&
      before.domain === partition.domain &&
      before.realm === partition.realm)
  if (same) return
  const { deposits } = await trustee.store.listDeposits({ limit: 1 })
  if (deposits.length > 0)
    throw new DomainError(
      'ERR_CONFLICT',
      'the stored deposits are sealed in another HSM partition or realm than this Key HSM serves: nothing was changed',
    )
}

async function toAddress(paths: Paths, order: JoinOrder): Promise<KeyHsmAddress> {
  const own = order.clientCertificate === undefined && order.clientKey === undefined
  if (!own && (order.clientCertificate === undefined || order.clientKey === undefined))
    throw invalidInput('clientKey', 'belongs to clientCertificate: give both or neither')
  const clientCertificate =
    order.clientCertificate ?? (await readText(paths.keyHsmClientCertificate))
  const clientKey = order.clientKey ?? (await readText(paths.keyHsmClientKey))
  requirePair(clientCertificate, clientKey, order.passphrase)
  const { url, serverCertificate, passphrase } = order
  requireCertificate(serverCertificate, 'serverCertificate')
  return { url, serverCertificate, clientCertificate, clientKey, passphrase }
}

/** Asks what Key HSM is, then has it seal, open and remove a sample. */
async function provePartition(
  { clock }: Trustee,
  address: KeyHsmAddress,
  requestId: Uuid,
): Promise<PartitionDescription> {
  const calls = connectKeyHsm(address, { retry: false })
  try {
    const partition = await calls.describe()
    const handle = `join-${clock.now().toISOString().slice(0, 10)}`
    await proveSample(calls, { canary: partition.canary as Fingerprint, handle, requestId })
    return partition
  } catch (error) {
    throw explain(error)
  } finally {
    await calls.close()
  }
}

/**
 * A refusal by Key HSM is not one of the administrator, whose own request was signed and known. In TLS 1.3 a server that
 * does not accept a certificate may close the connection before its reason arrives.
 */
function explain(thrown: unknown): DomainError {
  const error = toDomainError(thrown)
  const refused = error.code === 'ERR_NOT_AUTHENTICATED' || error.code === 'ERR_NOT_ALLOWED'
  const closed = error.code === 'ERR_UNAVAILABLE' && mayHaveBeenProcessed(error)
  if (!refused && !closed) return error
  return new DomainError(
    'ERR_UNAVAILABLE',
    `${error.message}; if it does not know this server, run keyhsm trust there with this server’s client certificate`,
    { cause: error },
  )
}

function toJoined(
  { clock }: Trustee,
  address: KeyHsmAddress,
  partition: PartitionDescription,
): Joined {
  const { realm, domain, scope } = partition
  const canary = partition.canary as Fingerprint
  return { ...address, realm, canary, domain, scope, joinedAt: clock.now() }
}

function requirePair(certificate: string, key: string, passphrase: string | undefined): void {
  const parsed = requireCertificate(certificate, 'clientCertificate')
  try {
    const privateKey = createPrivateKey({
      key,
      ...(passphrase === undefined ? {} : { passphrase }),
    })
    if (parsed.checkPrivateKey(privateKey)) return
  } catch {
    throw invalidInput(
      'clientKey',
      'must be a private key in PEM, with its passphrase if it has one',
    )
  }
  throw invalidInput('clientKey', 'does not belong to clientCertificate')
}

function requireCertificate(pem: string, field: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw invalidInput(field, 'must be a certificate in PEM')
  }
}
