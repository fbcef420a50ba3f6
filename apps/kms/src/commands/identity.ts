/** `keytrustee-kms identity`: who this KMS is, and the file that makes a further instance the same one. */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createPrivateFile, formatWriterKey, readLocalClient } from '@keyhsm/client'
import { type Command, optionText } from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import { clientFiles, formatBundle } from '../identity/bundle.js'
import { pathsOf } from './folder.js'

export const identityCommand: Command = {
  name: 'identity',
  summary: 'show which client this KMS is; with --output write it down for init --join',
  options: [
    {
      flag: 'output',
      short: 'o',
      value: 'F',
      describe:
        'new file (0600) with the private keys; remove it when the other instance has joined',
    },
  ],
  async run(input, io) {
    const { client: folder } = pathsOf(input)
    const { settings, keys } = await readLocalClient(folder)
    const output = optionText(input, 'output')
    if (output !== undefined) {
      const files: Record<string, string> = {}
      for (const name of clientFiles) files[name] = await readFile(join(folder, name), 'utf8')
      const written = await createPrivateFile(resolve(output), formatBundle(files)).catch(() => {
        throw invalidInput('--output', 'must be a new file in a folder that can be written')
      })
      if (!written) throw invalidInput('--output', 'must be a new file')
      io.hint('the file holds private keys: remove it when the other instance has joined')
    }
    return {
      client: settings.client,
      clientName: settings.clientName,
      organisation: settings.organisationName,
      server: settings.server,
      identityKey: formatWriterKey(keys.identityKey),
      ...(output === undefined ? {} : { written: resolve(output) }),
    }
  },
}
