/** `keytrustee get`: retrieves a deposit and opens it; not a byte is written before it is proved genuine. */
import { access, constants, lstat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import {
  type LocalClient,
  openAsClient,
  parseIdentities,
  parseWriterPin,
  type Retrieved,
  writePrivateFile,
} from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  optionTexts,
} from '@keyhsm/command-line'
import { DomainError, invalidInput, parseHandle } from '@keyhsm/core'
import { approvalOptions, waitOf } from '../approval-options.js'
import { getApproved } from '../approved-get.js'
import { withTrustee } from '../with-trustee.js'

/** What `get` prints: the content, or where it is. */
interface Got {
  readonly handle: string
  readonly uuid: string
  readonly revision: number
  readonly contentBytes: number
  /** Base64; only with `--json` and without `--output`. */
  readonly content?: string
}

export const getCommand: Command = {
  name: 'get',
  summary: 'retrieve a deposit',
  arguments: [
    {
      name: 'ref',
      describe: 'handle, uuid of a deposit, or uuid of an earlier revision',
      check: (text) => parseHandle(text),
    },
  ],
  options: [
    {
      flag: 'output',
      short: 'o',
      value: 'FILE',
      describe: 'write to this file (0600) instead of standard output',
    },
    {
      flag: 'no-seal',
      describe: 'return what is stored as it is, for what was put with --no-seal',
    },
    ...approvalOptions,
    {
      flag: 'identity',
      value: 'F',
      file: true,
      secret: true,
      describe: 'age identity to open with beside the own one, e.g. of the recovery recipient',
    },
    {
      flag: 'writer',
      value: 'KEY',
      repeatable: true,
      describe:
        'identity key (SPKI, base64) of another writer to believe this once, or its SHA-256',
      check: (text) => parseWriterPin(text, '--writer'),
    },
  ],
  run: get,
  // Binary content was written to standard output already; text around it would spoil it.
  print: () => {},
}

async function get(input: Input, io: Io): Promise<Got> {
  const ref = input.args['ref'] ?? ''
  const output = outputOf(input)
  const plain = optionGiven(input, 'no-seal')
  const prepare = async () => await checkOutput(output)
  const order = { ref, request: optionText(input, 'request'), waitMs: waitOf(input) }
  return await withTrustee(input, prepare, async (lent) => {
    const { client } = lent
    const retrieved = await getApproved(lent, order, io)
    const { handle, uuid } = retrieved.deposit
    const { revision } = retrieved
    const content = await opened(retrieved, { client, plain, input })
    if (ref !== handle) io.words(`${ref} is revision ${revision} of ${handle}`)
    if (retrieved.standby)
      io.words('warning: served from a standby of the database, there may be a newer revision')
    await deliver(content, output, io)
    const shown = io.json && output === undefined ? { content: content.toString('base64') } : {}
    return { handle, uuid, revision, contentBytes: content.length, ...shown }
  })
}

function outputOf(input: Input): string | undefined {
  const output = optionText(input, 'output')
  return output === undefined || output === '-' ? undefined : resolve(output)
}

/** Before the retrieval: it may count. @throws ERR_INVALID_INPUT for a place that cannot be written. */
async function checkOutput(output: string | undefined): Promise<void> {
  if (output === undefined) return
  const folder = dirname(output)
  await access(folder, constants.W_OK | constants.X_OK).catch(() => {
    throw invalidInput('--output', `must be in a folder that can be written: ${folder}`)
  })
  const present = await lstat(output).catch(() => undefined)
  if (present !== undefined && !present.isFile())
    throw invalidInput('--output', `must be a new or a regular file: ${output}`)
}

async function opened(
  retrieved: Retrieved,
  { client, plain, input }: { client: LocalClient; plain: boolean; input: Input },
): Promise<Buffer> {
  if (plain || client.settings.sealing === 'none') return retrieved.content
  const identities = parseIdentities(input.files['identity']?.toString('utf8') ?? '')
  return await openAsClient(retrieved, client, {
    identities,
    writers: optionTexts(input, 'writer'),
  })
}

async function deliver(content: Buffer, output: string | undefined, io: Io): Promise<void> {
  if (output === undefined) {
    if (!io.json) io.stdout.write(content)
    return
  }
  await writePrivateFile(output, content).catch((error: unknown) => {
    throw new DomainError('ERR_INVALID_INPUT', `--output cannot be written: ${output}`, {
      cause: error,
    })
  })
}
