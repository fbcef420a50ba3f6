/** When a deposit may be used, decided from facts alone: no I/O, so that every case is one row of a test. */
import { BlockList, isIPv4 } from 'node:net'
import { DomainError, irretrievable, type Uuid } from '@keyhsm/core'
import { unmapped } from '../sealing/local-peer.js'
import type { Client, Deposit } from '../store/store.js'
import { readersOf } from './policy.js'

export interface Facts {
  readonly client: Client
  /** Uuids of the groups this client is a member of. */
  readonly groups: readonly Uuid[]
  readonly deposit: Deposit
  /** It was ordered to be unreadable, whatever its row says: the database may be an older one. */
  readonly revoked: boolean
  readonly now: Date
  /** The caller's IP address. */
  readonly from: string
  /** Retrievals counted so far; only needed where the policy limits them. */
  readonly used: number
  /** Right signatures of trustees on the caller's request. */
  readonly approvals: number
  /** The newest revision is asked for. */
  readonly newest: boolean
}

export type Refusal =
  | 'not-active'
  | 'not-reader'
  | 'purged'
  | 'removed'
  | 'too-early'
  | 'expired'
  | 'network'
  | 'used-up'
  | 'older-revision'
  | 'approval-needed'

export type Decision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: Refusal }

interface Rule {
  readonly reason: Refusal
  /** For `ktadmin policy explain`. */
  readonly words: string
  readonly holds: (facts: Facts) => boolean
}

/** Checked in this order: who asks, whose it is, in which state it is, and what its policy says. */
export const rules: readonly Rule[] = [
  {
    reason: 'not-active',
    words: 'the client is active',
    holds: ({ client }) => client.state === 'active',
  },
  { reason: 'not-reader', words: 'the client is its owner, or a reader it names', holds: mayRead },
  {
    reason: 'purged',
    words: 'it was not purged',
    holds: ({ revoked, deposit: { state } }) =>
      !revoked && state !== 'purging' && state !== 'purged',
  },
  {
    reason: 'removed',
    words: 'it was not removed',
    holds: ({ deposit }) => deposit.state === 'active',
  },
  {
    reason: 'too-early',
    words: 'its time has come',
    holds: ({ deposit: { policy }, now }) =>
      policy?.notBefore === undefined || now >= new Date(policy.notBefore),
  },
  {
    reason: 'expired',
    words: 'its time is not over',
    holds: ({ deposit: { policy }, now }) =>
      policy?.expiresAt === undefined || now < new Date(policy.expiresAt),
  },
  { reason: 'network', words: 'the address is in a network it allows', holds: fromAllowedNetwork },
  {
    reason: 'used-up',
    words: 'retrievals are left',
    holds: ({ deposit: { policy }, used }) =>
      policy?.maxRetrievals === undefined || used < policy.maxRetrievals,
  },
  {
    reason: 'older-revision',
    words: 'it is the newest revision, where trustees approve',
    holds: ({ deposit: { policy }, newest }) => policy?.trustees === undefined || newest,
  },
  {
    reason: 'approval-needed',
    words: 'enough trustees have approved',
    holds: ({ deposit: { policy }, approvals }) =>
      policy?.trustees === undefined || approvals >= policy.trustees.required,
  },
]

/** The first rule that does not hold decides. */
export function decide(facts: Facts): Decision {
  const broken = rules.find(({ holds }) => !holds(facts))
  return broken ? { allowed: false, reason: broken.reason } : { allowed: true }
}

/** Whether the client may know of the deposit at all. */
export function mayRead({ client, groups, deposit }: Pick<Facts, 'client' | 'groups' | 'deposit'>) {
  if (deposit.organisation !== client.organisation) return false
  if (deposit.owner === client.uuid) return true
  const { policy = {} } = deposit
  // A trustee never reads, whatever else the policy says.
  if (policy.trustees?.trustees.some((trustee) => trustee.client === client.uuid)) return false
  const readers = readersOf(policy)
  return [client.uuid, ...groups].some((one) => readers.includes(one))
}

function fromAllowedNetwork({ deposit: { policy }, from }: Facts): boolean {
  if (policy?.networks === undefined) return true
  const address = unmapped(from)
  const family = isIPv4(address) ? 'ipv4' : 'ipv6'
  return listOf(policy.networks).check(address, family)
}

/** Lists made before: making one takes longer than everything else here, and few are in use. */
const lists = new Map<string, BlockList>()
const maxLists = 1000

function listOf(networks: readonly string[]): BlockList {
  const key = networks.join()
  const known = lists.get(key)
  if (known) return known
  const list = new BlockList()
  for (const network of networks) {
    const [base = '', bits] = network.split('/')
    list.addSubnet(base, Number(bits), isIPv4(base) ? 'ipv4' : 'ipv6')
  }
  if (lists.size >= maxLists) lists.clear()
  lists.set(key, list)
  return list
}

const answers: Readonly<Record<Refusal, (deposit: Deposit) => DomainError>> = {
  'not-active': () => new DomainError('ERR_NOT_AUTHENTICATED', 'not an active client'),
  'not-reader': noSuchDeposit,
  purged: () => irretrievable(),
  removed: removedDeposit,
  'too-early': ({ policy }) =>
    notAllowed(`the deposit can be retrieved from ${policy?.notBefore} on`),
  expired: ({ policy }) =>
    notAllowed(`the deposit could be retrieved until ${policy?.expiresAt} only`),
  network: () => notAllowed('the deposit cannot be retrieved from this address'),
  'older-revision': () => notAllowed('trustees approve retrievals of the newest revision only'),
  'approval-needed': (deposit) => approvalNeeded(deposit),
  'used-up': ({ policy }) =>
    notAllowed(`the deposit could be retrieved ${policy?.maxRetrievals} times, and was`),
}

const approvalNeeded = ({ policy }: Deposit) =>
  new DomainError(
    'ERR_APPROVAL_NEEDED',
    `${policy?.trustees?.required ?? 0} trustees must approve the retrieval of this deposit`,
  )

/** What the caller hears: a deposit that is not his looks like one that is not there. */
export function refusal(reason: Refusal, deposit: Deposit): DomainError {
  return answers[reason](deposit)
}

function notAllowed(detail: string): DomainError {
  return new DomainError('ERR_NOT_ALLOWED', detail)
}

export function noSuchDeposit(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'there is no such deposit')
}

export function removedDeposit(deposit: Deposit): DomainError {
  if (deposit.state === 'purging')
    return new DomainError(
      'ERR_DISABLED',
      'the deposit is being purged: its handle is free after that',
    )
  const until = deposit.undeleteUntil?.toISOString()
  const window = until === undefined ? '' : `; undelete is possible until ${until}`
  return new DomainError('ERR_DISABLED', `the deposit was removed${window}`)
}
