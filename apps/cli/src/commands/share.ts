/** `keytrustee share`: reseals a deposit for more readers as a new revision. */
import { type Deposit, findReaders, openAsClient, sealAsClient } from '@keyhsm/client'
import { type Command, type Input, type Io, optionTexts, printFields } from '@keyhsm/command-line'
import { invalidInput, parseHandle } from '@keyhsm/core'
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
  ],
  run: (input) =>
    withTrustee(
      input,
      () => {},
      (lent) => share(input, lent),
    ),
  print: printShared,
}

async function share(input: Input, { client, trustee }: Lent): Promise<Deposit> {
  if (client.settings.sealing === 'none')
    throw invalidInput('share', 'needs client-side sealing; use policy --reader without it')
  const handle = input.args['handle'] ?? ''
  const names = await Promise.all(optionTexts(input, 'with').map((name) => trustee.peers(name)))
  const retrieved = await trustee.get(handle)
  const before = retrieved.deposit.policy ?? {}
  const clients = names.flatMap(({ clients: [one], group }) => (group || !one ? [] : [one.uuid]))
  const groups = names.flatMap(({ group }) => (group ? [group.uuid] : []))
  const policy = {
    ...before,
    clients: [...new Set([...(before.clients ?? []), ...clients])],
    groups: [...new Set([...(before.groups ?? []), ...groups])],
  }
  const readers = await findReaders(trustee, client, policy)
  const content = await openAsClient(retrieved, client)
  const sealed = await sealAsClient(content, client, { handle: retrieved.deposit.handle, readers })
  content.fill(0)
  const condition = { revision: retrieved.deposit.revision }
  return await trustee.put({ handle: retrieved.deposit.handle, content: sealed, condition, policy })
}

function printShared({ handle, revision, policy }: Deposit, io: Io): void {
  const readers = [...(policy?.clients ?? []), ...(policy?.groups ?? [])].join(' ')
  printFields({ handle, revision, readers }, io)
}
