/** `keytrustee requests|approve|deny|withdraw`: what trustees, and those who wait for them, do. */
import { approveRequest, identityFingerprintOfRaw, type RetrievalRequest } from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  printFields,
  printLine,
  printTable,
} from '@keyhsm/command-line'
import { DomainError, invalidInput, parseUuid } from '@keyhsm/core'
import { type Lent, withTrustee } from '../with-trustee.js'

const requestArgument = {
  name: 'request',
  describe: 'uuid of the request',
  check: (text: string) => parseUuid(text, 'request'),
}

export const requestCommands: readonly Command[] = [
  {
    name: 'requests',
    summary:
      'list requests for deposits that trustees must approve: own ones, and those to approve',
    run: (input) => within(input, ({ trustee }) => trustee.requests()),
    print(requests: readonly RetrievalRequest[], io: Io) {
      const rows = requests.map((request) => ({
        ...request,
        'asked by': request.clientName,
        expires: request.expiresAt,
        approved: `${countOf(request, 'approve')} of ${request.required}`,
      }))
      printTable(
        rows,
        ['uuid', 'handle', 'revision', 'asked by', 'state', 'approved', 'expires'],
        io,
      )
    },
  },
  {
    name: 'approve',
    summary: 'approve a retrieval as a trustee: signs it with this client’s identity key',
    arguments: [requestArgument],
    options: [{ flag: 'yes', short: 'y', describe: 'do not ask' }],
    run: (input, io) =>
      within(input, async (lent) => {
        const request = await lent.trustee.request(idOf(input))
        await confirm(request, { io, yes: optionGiven(input, 'yes') })
        return approveRequest(lent.trustee, lent.client, request)
      }),
    print: printRequest,
  },
  {
    name: 'deny',
    summary: 'deny a retrieval as a trustee',
    arguments: [requestArgument],
    run: (input) => within(input, ({ trustee }) => trustee.giveVerdict(idOf(input), 'deny')),
    print: printRequest,
  },
  {
    name: 'withdraw',
    summary: 'take back an approval, a denial, or a request of one’s own, before it is used',
    arguments: [requestArgument],
    run: (input) => within(input, ({ trustee }) => trustee.withdraw(idOf(input))),
    print: printRequest,
  },
]

function within<Result>(input: Input, use: (lent: Lent) => Promise<Result>): Promise<Result> {
  return withTrustee(input, () => {}, use)
}

function idOf(input: Input): string {
  return parseUuid(input.args['request'] ?? '', 'request')
}

async function confirm(
  request: RetrievalRequest,
  { io, yes }: { readonly io: Io; readonly yes: boolean },
): Promise<void> {
  const { clientName, handle, revision, expiresAt } = request
  const fingerprint = identityFingerprintOfRaw(Buffer.from(request.clientKey, 'base64'))
  io.words(`${clientName} asks for ${handle}, revision ${revision}, until ${expiresAt}`)
  io.words(`its identity key has the SHA-256 fingerprint ${fingerprint}`)
  if (yes) return
  if (!io.isTerminal) throw invalidInput('--yes', 'is needed where nobody can be asked')
  const answer = await io.ask('Approve? [y/N] ')
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new DomainError('ERR_NOT_ALLOWED', 'nothing was approved')
}

function printRequest(request: RetrievalRequest, io: Io): void {
  const { uuid, handle, state, clientName, required } = request
  printFields({ request: uuid, handle, 'asked by': clientName, state }, io)
  printLine(`approved by ${countOf(request, 'approve')} of ${required} needed`, io)
}

function countOf({ verdicts }: RetrievalRequest, wanted: 'approve' | 'deny'): number {
  return verdicts.filter(({ verdict }) => verdict === wanted).length
}
