/** `keytrustee put`: seals content for this client and its readers and deposits it under a handle. */
import {
  type Deposit,
  defaultMaxContentBytes,
  findReaders,
  type LocalClient,
  type Policy,
  type PutCondition,
  type PutScope,
  findPeers,
  requirePinned,
  sealAsClient,
} from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  optionTexts,
  policyOf,
  policyOptions,
  printFields,
  readAll,
  tooLarge,
} from '@keyhsm/command-line'
import { type Handle, invalidInput, parseHandle } from '@keyhsm/core'
import type { TrusteesField } from '@keyhsm/protocol'
import { sayRecovery } from '../recovery-words.js'
import { type Lent, withTrustee } from '../with-trustee.js'

const scopes: readonly string[] = ['deposit', 'organisation', 'service'] satisfies PutScope[]
/** What the protocol can carry; the setting is lower. */
const maxReadBytes = 16 * 1024 * 1024

export const putCommand: Command = {
  name: 'put',
  summary: 'deposit content under a handle',
  arguments: [
    { name: 'handle', describe: 'name of the deposit', check: (text) => parseHandle(text) },
    {
      name: 'file',
      describe: 'file with the content, - or nothing for standard input',
      optional: true,
      file: true,
      maxBytes: maxReadBytes,
    },
  ],
  options: [
    { flag: 'replace', describe: 'make a new revision when the handle is taken' },
    {
      flag: 'scope',
      value: 'S',
      describe: 'share of the HSM key: deposit, organisation or service',
      check: checkScope,
    },
    { flag: 'no-seal', describe: 'send the content as it is, without client-side sealing' },
    ...policyOptions,
    {
      flag: 'trustee',
      value: 'CLIENT|GROUP',
      repeatable: true,
      describe: 'pinned clients who must approve retrievals; may be given several times',
    },
    {
      flag: 'votes',
      value: 'M',
      describe: 'so many of the trustees must approve (default all)',
      check: parseVotes,
    },
    { flag: 'no-trustees', describe: 'with --replace: nobody must approve any more' },
  ],
  run: put,
  print: ({ handle, uuid, revision }: Deposit, io) => printFields({ handle, uuid, revision }, io),
}

function checkScope(text: string): void {
  if (!scopes.includes(text)) throw invalidInput('--scope', `must be one of ${scopes.join(', ')}`)
}

function parseVotes(text: string): number {
  const votes = /^\d{1,2}$/.test(text) ? Number(text) : 0
  if (votes < 1 || votes > 32) throw invalidInput('--votes', 'must be a whole number from 1 to 32')
  return votes
}

async function put(input: Input, io: Io): Promise<Deposit> {
  const handle = parseHandle(input.args['handle'] ?? '')
  checkTrusteeOptions(input)
  const wish = policyOf(input)
  const prepare = (client: LocalClient) => readContent(input, io, maxContentBytesOf(client))
  return await withTrustee(input, prepare, async (lent, content) => {
    const { trustee, client } = lent
    const plain = isPlain(input, lent)
    const announced = plain ? undefined : (await trustee.self()).recovery
    sayRecovery({ pinned: client.settings.recovery, announced }, io)
    const present = optionGiven(input, 'replace') ? await trustee.find(handle) : undefined
    const policy = wish ?? present?.policy
    const trustees = await trusteesOf(input, lent)
    const never = trustees?.keys ?? trusteesNow(present)
    const sealed = await sealFor(content, lent, { handle, policy, plain, never })
    const condition: PutCondition =
      present === undefined ? 'absent' : { revision: present.revision }
    const scope = optionText(input, 'scope') as PutScope | undefined
    return await trustee.put({ handle, content: sealed, condition, scope, policy: wish, trustees })
  })
}

function isPlain(input: Input, { client }: Lent): boolean {
  return optionGiven(input, 'no-seal') || client.settings.sealing === 'none'
}

function maxContentBytesOf(client: LocalClient): number {
  return client.settings.maxContentBytes ?? defaultMaxContentBytes
}

/** @throws ERR_TOO_LARGE above the limit: exit 2 before anything is sent. */
async function readContent(input: Input, io: Io, maxBytes: number): Promise<Buffer> {
  const file = input.files['file']
  if (file === undefined && io.isTerminal)
    io.words('reading the content from standard input, end it with Ctrl-D')
  const content = file ?? (await readAll(io.stdin, maxBytes, 'content'))
  if (content.length > maxBytes) throw tooLarge('content', maxBytes)
  return content
}

/** Uuids of those that guard it, who are kept where a replacement names none. */
function trusteesNow(present: Deposit | undefined): readonly string[] {
  return present?.trustees?.clients ?? []
}

interface SealOrder {
  readonly handle: Handle
  readonly policy: Policy | undefined
  readonly plain: boolean
  /** Trustees, who are no readers. */
  readonly never: readonly string[]
}

async function sealFor(
  content: Buffer,
  { client, trustee }: Lent,
  { handle, policy, plain, never }: SealOrder,
): Promise<Buffer> {
  if (plain) return content
  const readers = await findReaders(trustee, client, policy, never)
  return await sealAsClient(content, client, { handle, readers })
}

/** @throws ERR_INVALID_INPUT for options that contradict each other. */
function checkTrusteeOptions(input: Input): void {
  const given = optionTexts(input, 'trustee').length > 0
  if (!given && optionText(input, 'votes') !== undefined)
    throw invalidInput('--votes', 'needs --trustee')
  if (given && optionGiven(input, 'no-trustees'))
    throw invalidInput('--no-trustees', 'cannot be combined with --trustee')
}

/** @throws ERR_INTEGRITY for trustees whose identity keys are not pinned. */
async function trusteesOf(
  input: Input,
  { client, trustee }: Lent,
): Promise<TrusteesField | undefined> {
  const names = optionTexts(input, 'trustee')
  if (names.length === 0)
    return optionGiven(input, 'no-trustees') ? { required: 0, keys: [] } : undefined
  const { peers: pins } = client.settings
  const found = await Promise.all(names.map((name) => findPeers(trustee, name, pins)))
  const peers = found.flatMap(({ clients }) => clients)
  requirePinned(peers, pins)
  const keys = [...new Set(peers.map(({ identityKey }) => identityKey))]
  const votes = optionText(input, 'votes')
  return { required: votes === undefined ? keys.length : parseVotes(votes), keys }
}
