/** Which files of a server's home belong in a backup, and where they go in another home. */
import { constants } from 'node:fs'
import { mkdir, open, readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { editSettings, toFileError, writeFileAtomically } from '@keyhsm/service'
import type { Paths } from '../paths.js'
import { readSettings, type Settings, settingPath, trusteeSchema } from '../settings.js'
import { damagedBackup } from './frames.js'

export interface ConfigurationFile {
  /** Relative to the server's folder; of one that lies elsewhere, the place it gets in another home. */
  readonly name: string
  /** Permission bits. */
  readonly mode: number
  /** Name of the setting that must point to it, for a file that lay elsewhere. */
  readonly setting?: string
  readonly content: Buffer
}

/** Rows have their own way; audit, log and pid files belong to a host; a backup holds no backups. */
const foldersLeftOut = new Set(['db', 'audit', 'run', 'log', 'prune', 'backup'])
/** The lost host's audit must not be continued elsewhere under its key: another host makes one of its own, and is another node. */
const filesLeftOut = new Set(['audit.key', 'join-tokens.json', 'node.json', 'timeline.json'])
/** Scratch of drills, files half written. */
const passing = /^(drill|restoring)-|\.(tmp|partial)$/
const maxFileBytes = 16 * 1024 * 1024
const maxFiles = 10_000

/** Settings that name a file, which may lie outside the server's folder. */
const fileSettings = [
  'certificate',
  'key',
  'keyPassphraseFile',
  'databasePasswordFile',
  'databaseAuthorityFile',
] as const satisfies readonly (keyof Settings)[]

/** @throws ERR_SETTINGS when a file cannot be read, is too large, or there are too many. */
export async function readConfiguration(
  paths: Paths,
  backups: string,
): Promise<readonly ConfigurationFile[]> {
  const settings = await readSettings(paths)
  const own: string[] = []
  for await (const path of walk(paths.root, relative(paths.root, backups))) own.push(path)
  const elsewhere = fileSettings.flatMap((key) => {
    const value = settings[key]
    const path = value === undefined ? undefined : settingPath(paths, value)
    if (path === undefined || !relative(paths.root, path).startsWith('..')) return []
    const { name: setting } = trusteeSchema[key]
    return [{ path, setting, name: join('restored', `${setting}-${basename(path)}`) }]
  })
  return Promise.all([
    ...own.map((name) => readOne(join(paths.root, name), { name })),
    ...elsewhere.map(({ path, ...named }) => readOne(path, named)),
  ])
}

/** Regular files, in the order of their names; links are not followed. */
async function* walk(root: string, backups: string, folder = ''): AsyncGenerator<string> {
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  let count = 0
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = join(folder, entry.name)
    if (isLeftOut(name) || name === backups) continue
    if (entry.isDirectory()) yield* walk(root, backups, name)
    else if (entry.isFile()) yield name
    count += 1
    if (count > maxFiles)
      throw new DomainError('ERR_SETTINGS', `the server’s folder has over ${maxFiles} files`)
  }
}

function isLeftOut(name: string): boolean {
  const [first = ''] = name.split(sep)
  return foldersLeftOut.has(first) || filesLeftOut.has(name) || passing.test(basename(name))
}

async function readOne(
  path: string,
  named: Pick<ConfigurationFile, 'name' | 'setting'>,
): Promise<ConfigurationFile> {
  try {
    // Opened once: what is asked of its mode and what is read is the same file.
    const file = await open(path, constants.O_RDONLY)
    try {
      const { size, mode } = await file.stat()
      if (size > maxFileBytes)
        throw new DomainError('ERR_SETTINGS', `${named.name} is too large for a backup`)
      return { ...named, mode: mode & 0o777, content: await file.readFile() }
    } finally {
      await file.close()
    }
  } catch (error) {
    throw toFileError(error, `${named.name} cannot be read for the backup`)
  }
}

/** A path that stays within the folder and does not meet what a restore makes itself. @throws ERR_INTEGRITY */
export function checkFileName(name: string): string {
  const parts = name.split('/')
  const plain = parts.every((part) => /^[A-Za-z0-9._@+-]{1,255}$/.test(part) && !/^\.+$/.test(part))
  if (!plain || parts.length > 8 || isLeftOut(name)) throw damagedBackup('a file has no good name')
  return name
}

/** Writes a file below `root`, never open to others than its owner unless it was. */
export async function writeConfigurationFile(
  root: string,
  { name, mode, content }: ConfigurationFile,
): Promise<void> {
  const path = join(root, checkFileName(name))
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFileAtomically(path, content, mode & 0o644)
}

export interface SettingChanges {
  readonly [name: string]: string | undefined
}

/** Changes values in the settings file of a home. */
export async function changeSettings(
  paths: Pick<Paths, 'settings'>,
  changes: SettingChanges,
): Promise<void> {
  const text = editSettings(await readFile(paths.settings, 'utf8'), changes)
  await writeFileAtomically(paths.settings, text, 0o640)
}
