/** `keytrustee share`: reseals a deposit for more readers as a new revision. */
import {
  type Deposit,
  findPeers,
  findReaders,
  openAsClient,
  type Peer,
  type Retrieved,
  sealAsClient,
} from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionText,
  optionTexts,
  printFields,
} from '@keyhsm/command-line'
import { invalidInput, parseHandle } from '@keyhsm/core'
import { getApproved } from '../approved-get.js'
import { approvalOptions, waitOf } from '../approval-options.js'
import { type Lent, withTrustee } from '../with-trustee.js'

export const shareCommand: Command = {
  name: 'share',
  summary: 'let others read a deposit: reseals its content for them as a new revision',
  arguments: [
    { name: 'handle', describe: 'handle of the deposit', check: (text) => parseHandle(text) },
  ],
  options: [
    {
      flag: 'with',
      value: 'CLIENT|GROUP',
      repeatable: true,
      required: true,
      describe: 'name of a pinned client, or of a group of pinned clients',
    },
    ...approvalOptions,
  ],
  run: (input, io) =>
    withTrustee(
      input,
      () => {},
      (lent) => share(input, lent, io),
    ),
  print: printShared,
}

async function share(input: Input, lent: Lent, io: Io): Promise<Deposit> {
  const { client, trustee } = lent
  if (client.settings.sealing === 'none')
    throw invalidInput('share', 'needs client-side sealing; use policy --reader without it')
  const ref = input.args['handle'] ?? ''
  const { peers: pins } = client.settings
  const asked = optionTexts(input, 'with').map((name) => findPeers(trustee, name, pins))
  const names = await Promise.all(asked)
  const present = await trustee.find(ref)
  const never = present?.trustees?.clients ?? []
  requireReaders(
    names.flatMap(({ clients, group }) => (group ? [] : clients)),
    never,
  )
  const order = { ref, request: optionText(input, 'request'), waitMs: waitOf(input) }
  const retrieved = await getApproved(lent, order, io)
  requireHandle(ref, retrieved)
  const before = retrieved.deposit.policy ?? {}
  const clients = names.flatMap(({ clients: [one], group }) => (group || !one ? [] : [one.uuid]))
  const groups = names.flatMap(({ group }) => (group ? [group.uuid] : []))
  const policy = {
    ...before,
    clients: [...new Set([...(before.clients ?? []), ...clients])],
    groups: [...new Set([...(before.groups ?? []), ...groups])],
  }
  const readers = await findReaders(trustee, client, policy, never)
  const content = await openAsClient(retrieved, client)
  const sealed = await sealAsClient(content, client, { handle: retrieved.deposit.handle, readers })
  content.fill(0)
  const condition = { revision: retrieved.deposit.revision }
  if (policy.maxRetrievals !== undefined)
    io.words(`its count of retrievals begins anew: ${policy.maxRetrievals} from now on`)
  return await trustee.put({ handle: retrieved.deposit.handle, content: sealed, condition, policy })
}

/** What a uuid means is the server's word, which does not suffice for what others will read. */
function requireHandle(ref: string, { deposit }: Retrieved): void {
  if (deposit.handle !== ref)
    throw invalidInput('handle', `must be the handle of a deposit, no uuid: ${ref}`)
}

/** @throws ERR_INVALID_INPUT for a trustee: the server would never let it read */
function requireReaders(peers: readonly Peer[], trustees: readonly string[]): void {
  const refused = peers.find(({ uuid }) => trustees.includes(uuid))
  if (refused)
    throw invalidInput('--with', `must not name a trustee, who never reads: ${refused.name}`)
}

function printShared({ handle, revision, policy }: Deposit, io: Io): void {
  const readers = [...(policy?.clients ?? []), ...(policy?.groups ?? [])].join(' ')
  printFields({ handle, revision, readers }, io)
}
