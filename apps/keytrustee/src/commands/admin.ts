/** `ktadmin admin`: administrators' keys on this machine. */
import { basename } from 'node:path'
import type { Command } from '@keyhsm/command-line'
import { parseShortName } from '@keyhsm/core'
import { reloadDaemon } from '@keyhsm/service'
import { addAdministrator, readAdministrators } from '../administrators.js'
import { pathsIn } from '../paths.js'

export const adminCommands: readonly Command[] = [
  {
    name: 'admin add',
    summary: 'make a key for another administrator',
    arguments: [
      {
        name: 'name',
        describe: 'name in the audit',
        check: (text) => parseShortName(text, 'name'),
      },
    ],
    async run(input, io) {
      const paths = pathsIn(input.home.keytrustee)
      const name = input.args['name'] ?? ''
      const file = await addAdministrator(paths, name)
      const running = reloadDaemon({ name: 'keytrustee-server', pidFile: paths.pidFile })
      io.words(`made admin/${basename(file)}; the server ${running ? 'is told' : 'does not run'}`)
      return { name, file }
    },
  },
  {
    name: 'admin list',
    summary: 'list administrators',
    async run(input) {
      const administrators = await readAdministrators(pathsIn(input.home.keytrustee))
      return [...administrators.keys()].map((name) => ({ name }))
    },
  },
]
