/** `keyhsm keys`: what HSM keys there are. */
import { type Command, optionText, printFields, printLine, printTable } from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import { pathsIn } from '../paths.js'
import { type AdministeredKey, withKeys } from './key-access.js'
import {
  backendOption,
  findKeys,
  findSome,
  keyArgument,
  readSelection,
  sayUnreachable,
  selectionOptions,
} from './key-selection.js'

const columns = [
  'label',
  'handle',
  'uuid',
  'createdOn',
  'scope',
  'purpose',
  'realm',
  'kind',
  'backend',
  'id',
]

/** Lists the keys of every HSM, or those that are meant. */
export const keysListCommand: Command = {
  name: 'keys list',
  summary: 'list the HSM keys, of every HSM unless one is named',
  aliases: ['keys ls'],
  arguments: [keyArgument],
  options: selectionOptions,
  async run(input, io) {
    const selection = readSelection(input)
    return await withKeys(
      pathsIn(input.home.keyhsm),
      async (keys) => {
        const found = await findKeys(keys, selection)
        sayUnreachable(keys, io)
        return found
      },
      optionText(input, backendOption.flag),
    )
  },
  print: (keys: readonly AdministeredKey[], io) => printTable(keys, columns, io),
}

/** Shows keys with everything that is known of them. */
export const keysShowCommand: Command = {
  name: 'keys show',
  summary: 'show HSM keys, their labels split into handle, uuid and date',
  arguments: [keyArgument],
  options: selectionOptions,
  async run(input) {
    const selection = readSelection(input)
    if (!selection) throw invalidInput(keyArgument.name, 'or --handle or --date is needed')
    const found = await withKeys(
      pathsIn(input.home.keyhsm),
      (keys) => findSome(keys, selection),
      optionText(input, backendOption.flag),
    )
    return found.length === 1 ? found[0] : found
  },
  print(found: AdministeredKey | readonly AdministeredKey[], io) {
    for (const [index, key] of [found].flat().entries()) {
      if (index > 0) printLine('', io)
      printFields(key, io)
    }
  },
}
