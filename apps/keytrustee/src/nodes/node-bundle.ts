/** What every server of an installation must have in common, as one text: made on one, written on another. */
import { mkdir, readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { writeFileAtomically } from '@keyhsm/service'
import { readOptionalText, readPrivateText, readText } from '../files.js'
import type { Paths } from '../paths.js'
import { readSettings, type Settings, settingPath, trusteeSchema } from '../settings.js'

export interface NodeBundle {
  /** Names relative to the server's folder. */
  readonly files: Readonly<Record<string, string>>
  /** Names and values of the settings file. */
  readonly settings: Readonly<Record<string, string>>
}

const format = 'keytrustee-node-1'
/** Everything else in a home is one server's own: certificate, audit, administrators, the way to its Key HSM. */
const shared = ['grant.key', 'revocations.log', 'holds.json'] as const
const authorityFolder = '.ca'
const passwordFile = 'database.password'
const databaseAuthority = 'database-ca.pem'
/** Bounds that must not differ between servers. */
const sharedSettings = [
  'sealing',
  'contentBytes',
  'depositsPerClient',
  'depositsPerOrganisation',
  'hsmKeysPerHourPerClient',
  'hsmKeysPerHourPerOrganisation',
  'waitingClientsPerOrganisation',
  'undeleteMs',
  'pruneMinAgeMs',
  'approvalMs',
  'standbyMaxStalenessMs',
  'databaseUrl',
] as const satisfies readonly (keyof Settings)[]

/** @throws ERR_SETTINGS when the database is this server's private one, or a file cannot be read */
export async function makeNodeBundle(paths: Paths): Promise<string> {
  const settings = await readSettings(paths)
  if (settings.databaseUrl === undefined)
    throw new DomainError('ERR_CONFLICT', 'the database of this server is its private cluster', {
      hints: [
        'servers share an external database: docs/operations/high-availability.md tells how to move to one',
      ],
    })
  const files: Record<string, string> = {}
  for (const name of shared) {
    const text = await readOptionalText(join(paths.root, name))
    if (text !== undefined) files[name] = text
  }
  for (const name of await filesIn(join(paths.root, authorityFolder)))
    files[`${authorityFolder}/${name}`] = await readText(join(paths.root, authorityFolder, name))
  const values = Object.fromEntries(await givenSettings(paths))
  await addDatabaseFiles(paths, settings, { files, values })
  return JSON.stringify({ format, files, settings: values })
}

/** With those of authorities that sign no more: their clients come to the further server as well. */
async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const names = files.map(({ parentPath, name }) => relative(folder, join(parentPath, name)))
  // What waits or is half exchanged is this server's own affair.
  return names.filter((name) => isShared(`${authorityFolder}/${name}`)).sort()
}

async function addDatabaseFiles(
  paths: Paths,
  settings: Settings,
  { files, values }: { files: Record<string, string>; values: Record<string, string> },
): Promise<void> {
  const { databasePasswordFile, databaseAuthorityFile } = settings
  if (databasePasswordFile !== undefined) {
    files[passwordFile] = await readPrivateText(settingPath(paths, databasePasswordFile))
    values[trusteeSchema.databasePasswordFile.name] = passwordFile
  }
  if (databaseAuthorityFile !== undefined) {
    files[databaseAuthority] = await readText(settingPath(paths, databaseAuthorityFile))
    values[trusteeSchema.databaseAuthorityFile.name] = databaseAuthority
  }
}

/** Shared settings as they stand in the file; what is left at its default stays so. */
async function givenSettings(paths: Paths): Promise<(readonly [string, string])[]> {
  const lines = (await readText(paths.settings)).split('\n')
  return sharedSettings.flatMap((key) => {
    const { name } = trusteeSchema[key]
    const line = lines.findLast((text) =>
      new RegExp(`^\\s*${name.replaceAll('.', '\\.')}\\s*[=:]`).test(text),
    )
    const value = line?.replace(/^[^=:]*[=:]\s*/, '').trim()
    return value === undefined || value === '' ? [] : [[name, value] as const]
  })
}

/** @throws ERR_INTEGRITY when it is none, or names a file that is not shared */
export function parseNodeBundle(text: string): NodeBundle {
  try {
    const { format: given, files, settings } = JSON.parse(text) as NodeBundle & { format: string }
    const names = Object.keys(files)
    if (given === format && names.every(isShared) && files['grant.key'] !== undefined)
      return { files, settings }
  } catch {
    // Falls through to the one error.
  }
  throw new DomainError('ERR_INTEGRITY', 'the other server sent something that is not understood', {
    hints: ['both servers must run the same release'],
  })
}

/** @throws ERR_UNAVAILABLE when files cannot be written */
export async function writeNodeFiles({ root }: Paths, { files }: NodeBundle): Promise<void> {
  // The grant key last: with it this home belongs to the installation.
  const names = Object.keys(files).sort(
    (a, b) => Number(a === 'grant.key') - Number(b === 'grant.key'),
  )
  for (const name of names) {
    const path = join(root, name)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFileAtomically(path, files[name] ?? '', 0o600)
  }
}

function isShared(name: string): boolean {
  const known: readonly string[] = [...shared, passwordFile, databaseAuthority]
  return known.includes(name) || /^\.ca\/(previous\/)?[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)
}
