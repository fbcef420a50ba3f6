/** `keytrustee-kms acl explain`: why a user may or may not, by the files as they are now. */
import { type Command, type Input, optionGiven, optionText, printLine } from '@keyhsm/command-line'
import { errorTraits, invalidInput, systemClock } from '@keyhsm/core'
import { readAcls } from '../access/acl-file.js'
import {
  type Operation,
  operations,
  type TrusteeOperation,
  trusteeOperations,
} from '../access/acls.js'
import { type Explanation, explain } from '../access/explain.js'
import { createGroups } from '../access/groups.js'
import { aclNameAttribute } from '../api/authorize.js'
import { connectTrustee } from '../service/connect-trustee.js'
import { readLiveSettings } from '../service/live-settings.js'
import { KeyDirectory } from '../zone-keys/key-directory.js'
import { pathsOf } from './folder.js'

const explained = [...operations, ...trusteeOperations]

export const aclCommands: readonly Command[] = [
  {
    name: 'acl explain',
    summary: 'say whether a user may do something, and by which rule; exit status 77 when not',
    options: [
      { flag: 'user', value: 'U', describe: 'short name of the user', required: true },
      {
        flag: 'op',
        value: 'OP',
        describe: `one of ${explained.join(', ')}`,
        required: true,
        check: parseOperation,
      },
      { flag: 'key', value: 'K', describe: 'name of the key; its ACL name is asked of the server' },
      {
        flag: 'real-user',
        value: 'U',
        describe: 'who really calls, where the user is impersonated',
      },
      { flag: 'offline', describe: 'take the key’s own name for its ACL name, without asking' },
    ],
    run: explainAcl,
    print({ reasons }: Explanation, io) {
      for (const reason of reasons) printLine(reason, io)
    },
    exitCode: ({ allowed }: Explanation) => (allowed ? 0 : errorTraits.ERR_NOT_ALLOWED.exit),
  },
]

function parseOperation(text: string): Operation | TrusteeOperation {
  const found = explained.find((operation) => operation === text.toUpperCase())
  if (!found) throw invalidInput('--op', `must be one of ${explained.join(', ')}`)
  return found
}

async function explainAcl(input: Input): Promise<Explanation> {
  const live = await readLiveSettings(pathsOf(input))
  const acls = await readAcls(live.aclFile)
  const user = optionText(input, 'user') ?? ''
  const groups = createGroups(live.site.staticGroups, systemClock)
  const key = optionText(input, 'key')
  const { allowed, reasons } = explain(acls, {
    operation: parseOperation(optionText(input, 'op') ?? ''),
    aclName: key === undefined ? undefined : await aclNameOf(input, key),
    subject: { user, realUser: optionText(input, 'real-user'), groups: await groups.of(user) },
    keyAuthorization: live.site.keyAuthorization,
  })
  return { allowed, reasons: [...reasons, allowed ? 'allowed' : 'refused', ...acls.warnings] }
}

async function aclNameOf(input: Input, name: string): Promise<string> {
  if (optionGiven(input, 'offline')) return name
  const connection = await connectTrustee(pathsOf(input).client)
  try {
    const found = await new KeyDirectory(connection.vault, systemClock, () => 0).find(name)
    return found?.key.attributes[aclNameAttribute] || name
  } finally {
    await connection.close()
  }
}
