/** `keytrustee-kms export --jceks`: the way out, where the setting allows it. */
import { resolve } from 'node:path'
import { type Command, type Input, type Io, optionText, printLine } from '@keyhsm/command-line'
import { createPrivateFile } from '@keyhsm/client'
import { DomainError, invalidInput } from '@keyhsm/core'
import { requirePassword } from '../keystore/password-cipher.js'
import { exportKeys } from '../migration/export-keys.js'
import { withMoves } from '../service/with-moves.js'
import { readSettings } from '../settings.js'
import { operatorName, pathsOf } from './folder.js'
import { chosenKeys, keystorePassword, keysOption, passwordOption } from './keystore-options.js'
import { progressTo } from './progress.js'

interface Exported {
  readonly written: string
  readonly keys: number
  readonly versions: number
}

export const exportCommand: Command = {
  name: 'export',
  summary: 'write zone keys with every version into a Java keystore for Hadoop’s own provider',
  options: [
    { flag: 'jceks', value: 'F', describe: 'new keystore file (0600)', required: true },
    { ...passwordOption, required: true },
    keysOption,
  ],
  run: runExport,
  print: ({ written, keys, versions }: Exported, io: Io) =>
    printLine(`${keys} keys with ${versions} versions are in ${written}`, io),
}

async function runExport(input: Input, io: Io): Promise<Exported> {
  const paths = pathsOf(input)
  const { exportKeystore } = await readSettings(paths)
  if (!exportKeystore)
    throw new DomainError('ERR_NOT_ALLOWED', 'zone keys do not leave this KMS', {
      hints: ['to allow it set keytrustee-kms.keystore.export=true in kms.properties'],
    })
  const password = requirePassword(keystorePassword(input), '--password-file')
  const path = resolve(optionText(input, 'jceks') ?? '')
  const say = progressTo(io)
  const { bytes, ...counts } = await withMoves(paths, operatorName(), (moving) =>
    exportKeys(moving, {
      password,
      names: chosenKeys(input),
      onProgress: (done, total) => say(`${done} of ${total} keys`),
    }),
  )
  const made = await createPrivateFile(path, bytes).catch(() => false)
  bytes.fill(0)
  if (!made) throw invalidInput('--jceks', 'must be a new file in a folder that can be written')
  io.hint('whoever has the file and its password has the zone keys: remove it when it is imported')
  return { written: path, ...counts }
}
