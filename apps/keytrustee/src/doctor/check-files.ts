/** Checks of the server's own files: settings, log configuration, owners and modes, remains of another product. */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { findOldProduct } from '../old-product.js'
import { readLogging } from '../logging.js'
import type { Paths } from '../paths.js'
import { readSettings } from '../settings.js'
import { type Check, fault, type Finding, ok, warning } from './check.js'

/** Most that are named one by one. */
const mostNamed = 10
/** Not ours to look into: PostgreSQL minds its own, and there are many. */
const passedOver = new Set(['db'])

export const fileChecks: readonly Check[] = [
  {
    name: 'settings',
    async run({ paths }) {
      await readSettings(paths)
      return [ok(basename(paths.settings))]
    },
  },
  {
    name: 'log configuration',
    async run({ paths, settings }) {
      if (!settings) return []
      const { warnings } = await readLogging(paths, settings)
      const found = warnings.map((text) => warning(text, 'change conf/logback.xml'))
      return found.length > 0 ? found : [ok('conf/logback.xml')]
    },
  },
  { name: 'private files', run: ({ paths }) => checkPrivate(paths) },
  { name: 'owner of files', run: ({ paths }) => checkOwners(paths) },
  {
    name: 'other product',
    async run({ paths }) {
      const found = await findOldProduct(paths)
      if (found.length === 0) return [ok('nothing of another product in the folder')]
      const names = found.map((path) => basename(path)).join(', ')
      return [
        warning(`files of another product: ${names}`, 'move them away once you need them no more'),
      ]
    },
  },
  {
    name: 'unfinished change',
    async run({ paths }) {
      const left = await Promise.all([paths.serverNext, paths.authorityNext].map(exists))
      if (!left.includes(true)) return [ok('no change of a certificate was cut off')]
      return [
        fault('a change of a certificate was cut off', 'ktadmin cert renew, or restart the server'),
      ]
    },
  },
]

async function checkPrivate(paths: Paths): Promise<readonly Finding[]> {
  const administrators = await readdir(paths.administrators).catch(() => [])
  const keys = administrators
    .filter((name) => name.endsWith('.key'))
    .map((name) => join(paths.administrators, name))
  const own = [paths.grantKey, paths.auditKey, paths.authorityKey, paths.serverKey]
  const files = [...own, paths.keyHsmClientKey, ...keys]
  const found = await Promise.all(files.map((path) => checkMode(paths, path)))
  const faults = found.flat()
  if (keys.length === 0)
    faults.push(fault('no administrator has a key here', 'ktadmin admin add NAME'))
  return faults.length > 0 ? faults : [ok(`${files.length} keys, each for its owner alone`)]
}

async function checkMode({ root }: Paths, path: string): Promise<Finding[]> {
  const name = relative(root, path)
  const found = await stat(path).catch(() => undefined)
  if (!found) return [fault(`${name} is missing`, 'ktadmin init makes what is missing')]
  if ((found.mode & 0o077) === 0) return []
  return [fault(`${name} can be read by others`, `chmod 600 ${path}`)]
}

async function checkOwners({ root }: Paths): Promise<readonly Finding[]> {
  const user = process.getuid?.()
  const foreign: string[] = []
  let looked = 0
  for await (const { path, uid } of walk(root)) {
    looked += 1
    if (uid !== user) foreign.push(path)
  }
  if (foreign.length === 0) return [ok(`${looked} files and folders are this user’s`)]
  const named = foreign.slice(0, mostNamed).map((path) => relative(dirname(root), path))
  const more = foreign.length > mostNamed ? ` and ${foreign.length - mostNamed} more` : ''
  return [
    fault(`belong to another user: ${named.join(', ')}${more}`, `chown -R keytrustee: ${root}`),
  ]
}

async function* walk(folder: string): AsyncGenerator<{ path: string; uid: number }> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    const found = await stat(path).catch(() => undefined)
    if (!found) continue
    yield { path, uid: found.uid }
    if (entry.isDirectory() && !passedOver.has(entry.name)) yield* walk(path)
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
