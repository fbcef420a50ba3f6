/** `keytrustee put`: seals content for this client and deposits it under a handle. */
import {
  type Deposit,
  defaultMaxContentBytes,
  type LocalClient,
  type PutCondition,
  type PutScope,
  sealForReaders,
  type TrusteeClient,
} from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  policyOf,
  policyOptions,
  printFields,
  readAll,
  tooLarge,
} from '@keyhsm/command-line'
import { type Handle, invalidInput, parseHandle } from '@keyhsm/core'
import { withTrustee } from '../with-trustee.js'

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
  ],
  run: put,
  print: ({ handle, uuid, revision }: Deposit, io) => printFields({ handle, uuid, revision }, io),
}

function checkScope(text: string): void {
  if (!scopes.includes(text)) throw invalidInput('--scope', `must be one of ${scopes.join(', ')}`)
}

async function put(input: Input, io: Io): Promise<Deposit> {
  const handle = parseHandle(input.args['handle'] ?? '')
  const prepare = async (client: LocalClient) => {
    const content = await readContent(input, io, maxContentBytesOf(client))
    return await sealed(content, { client, handle, plain: optionGiven(input, 'no-seal') })
  }
  return await withTrustee(input, prepare, async ({ trustee }, content) => {
    const condition = await conditionOf(trustee, handle, optionGiven(input, 'replace'))
    const scope = optionText(input, 'scope') as PutScope | undefined
    return await trustee.put({ handle, content, condition, scope, policy: policyOf(input) })
  })
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

interface SealOrder {
  readonly client: LocalClient
  readonly handle: Handle
  readonly plain: boolean
}

async function sealed(content: Buffer, { client, handle, plain }: SealOrder): Promise<Buffer> {
  const { settings, keys } = client
  if (plain || settings.sealing === 'none') return content
  return await sealForReaders(content, {
    organisation: settings.organisation,
    handle,
    writer: keys.identityKey,
    recipients: [await keys.recipient()],
    writtenAt: new Date(),
  })
}

/** Without `replace` only a free handle; with it only over the revision that is there now, so that no other put is lost. */
async function conditionOf(
  trustee: TrusteeClient,
  handle: Handle,
  replace: boolean,
): Promise<PutCondition> {
  if (!replace) return 'absent'
  const present = await trustee.find(handle)
  return present === undefined ? 'absent' : { revision: present.revision }
}
