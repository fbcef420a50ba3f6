/** What the host process is given of the machine: a short list of variables, the library's own among them. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { DomainError } from '@keyhsm/core'
import type { Sharing } from '../messages.js'
import type { Pkcs11Options } from '../options.js'
import type { Pkcs11Profile, SharedToken } from '../profile.js'

export type Environment = Readonly<Record<string, string>>

/** Never NODE_OPTIONS, and nothing that may hold a password. */
const alwaysPassed = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'LC_*',
  'TZ',
  'TMPDIR',
  'LD_LIBRARY_PATH',
]

/** The environment of the host process. */
export function hostEnvironment(
  profile: Pkcs11Profile,
  all: NodeJS.ProcessEnv,
  extra: Environment = {},
): Environment {
  const passed = [...alwaysPassed, ...profile.environment]
  const entries = Object.entries(all).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && passed.some((pattern) => names(pattern, entry[0])),
  )
  return { ...Object.fromEntries(entries), ...extra }
}

function names(pattern: string, variable: string): boolean {
  return pattern.endsWith('*') ? variable.startsWith(pattern.slice(0, -1)) : variable === pattern
}

/**
 * The library to load: the one asked for, else the first of the profile's that is installed.
 * @throws ERR_SETTINGS naming the path or paths.
 */
export function findLibrary(profile: Pkcs11Profile, asked: string | undefined): string {
  const candidates = asked === undefined ? profile.libraryPaths : [asked]
  const found = candidates.find((path) => existsSync(path))
  if (found !== undefined) return found
  const where = candidates.join(', ')
  throw new DomainError('ERR_SETTINGS', `there is no PKCS#11 library at ${where}`, {
    faults: [{ field: 'library', rule: 'must be the path of an installed library' }],
    hints: [`install the client of ${profile.title}, or give the path of its library`],
  })
}

/** How the host keeps out of the way of other processes, where the profile says that it must. */
export function tokenSharing(
  profile: Pkcs11Profile,
  environment: Environment,
  { libraryParameters }: Pick<Pkcs11Options, 'libraryParameters'>,
): Sharing | undefined {
  const shared = profile.sharedToken
  if (!shared || process.platform !== 'linux') return undefined
  if (shared.by === 'library-parameters') {
    return { lockName: lockName(libraryParameters ?? ''), stamp: undefined }
  }
  const directory = configuredDirectory(shared, environment)
  if (directory === undefined) return { lockName: lockName(profile.name), stamp: undefined }
  const { dev, ino } = statSync(directory)
  return { lockName: lockName(`${dev} ${ino}`), stamp: { directory, file: shared.stampFile } }
}

function lockName(what: string): string {
  return createHash('sha256').update(what).digest('hex').slice(0, 40)
}

type ConfiguredDirectory = Extract<SharedToken, { by: 'configured-directory' }>

function configuredDirectory(
  { configVariable, configDefaults, setting }: ConfiguredDirectory,
  environment: Environment,
): string | undefined {
  const home = environment.HOME ?? homedir()
  const named = environment[configVariable]
  const candidates = named === undefined ? configDefaults : [named]
  const file = candidates.map((path) => path.replace(/^~/, home)).find((path) => existsSync(path))
  if (file === undefined) return undefined
  try {
    const lines = readFileSync(file, 'utf8').split('\n')
    const values = lines.map((line) => valueOf(line, setting)).filter((value) => value !== '')
    return values[0] === undefined ? undefined : realpathSync(values[0])
  } catch {
    // An unreadable configuration or directory is the library's to report.
    return undefined
  }
}

function valueOf(line: string, setting: string): string {
  const [name, ...rest] = line.split('=')
  return name?.trim() === setting ? rest.join('=').trim() : ''
}
