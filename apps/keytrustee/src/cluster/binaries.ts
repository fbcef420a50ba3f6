/** Finds the distribution's PostgreSQL. Nothing is downloaded and nothing of Debian's own clusters is touched. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { DomainError } from '@keyhsm/core'

export interface BinariesSearch {
  /** Only this directory, e.g. `/usr/lib/postgresql/15/bin`. */
  readonly binaries?: string
  /** Major version that made an existing cluster: no other can run it. */
  readonly major?: string
  readonly roots?: readonly VersionedRoot[]
  readonly path?: string
}

export interface VersionedRoot {
  readonly directory: string
  /** One capture: the major version. */
  readonly pattern: RegExp
}

/** Debian and Ubuntu; Red Hat with the PGDG packages. */
const defaultRoots: readonly VersionedRoot[] = [
  { directory: '/usr/lib/postgresql', pattern: /^(\d+)$/ },
  { directory: '/usr', pattern: /^pgsql-(\d+)$/ },
]

/** The directory with `initdb` and `postgres`. @throws ERR_SETTINGS naming the package to install */
export function findBinaries(search: BinariesSearch = {}): string {
  const { binaries, major } = search
  if (binaries !== undefined) return requireComplete(binaries)
  const directory =
    findVersioned(search.roots ?? defaultRoots, major) ??
    // A program on PATH may be of any version: good enough for a new cluster only.
    (major === undefined ? findOnPath(search.path ?? process.env['PATH']) : undefined)
  if (directory === undefined) throw missing(major)
  return directory
}

/** Major versions that are installed as a whole, newest first. */
export function findMajors(search: Pick<BinariesSearch, 'roots'> = {}): readonly string[] {
  const majors = listVersions(search.roots ?? defaultRoots).map(({ major }) => major)
  return [...new Set(majors)]
}

function requireComplete(binaries: string): string {
  if (isComplete(binaries)) return binaries
  throw new DomainError(
    'ERR_SETTINGS',
    `${binaries} does not hold PostgreSQL's initdb and postgres`,
  )
}

function findOnPath(path = ''): string | undefined {
  return path.split(delimiter).filter(Boolean).find(isComplete)
}

/** The newest complete one, or the one of this major version. */
function findVersioned(
  roots: readonly VersionedRoot[],
  major: string | undefined,
): string | undefined {
  return listVersions(roots).find((entry) => entry.major === (major ?? entry.major))?.directory
}

/** Complete ones, newest first. */
function listVersions(
  roots: readonly VersionedRoot[],
): readonly { readonly major: string; readonly directory: string }[] {
  return roots
    .flatMap(({ directory, pattern }) =>
      listDirectory(directory).flatMap((name) => {
        const major = pattern.exec(name)?.[1]
        return major === undefined ? [] : [{ major, directory: join(directory, name, 'bin') }]
      }),
    )
    .filter((entry) => isComplete(entry.directory))
    .sort((a, b) => Number(b.major) - Number(a.major))
}

function missing(major: string | undefined): DomainError {
  const name = major === undefined ? 'postgresql' : `postgresql-${major}`
  const what = major === undefined ? 'PostgreSQL' : `PostgreSQL ${major}, which made this cluster,`
  return new DomainError('ERR_SETTINGS', `${what} is not installed`, {
    hints: [
      `install the package ${name} (Debian, Ubuntu) without starting its own cluster`,
      'or name the directory of its programs',
    ],
  })
}

function isComplete(directory: string): boolean {
  return ['initdb', 'postgres'].every((name) => isExecutable(join(directory, name)))
}

/** PATH may name folders that only another user may enter: what is in them is not there for us. */
function isExecutable(file: string): boolean {
  try {
    const stat = statSync(file)
    return stat.isFile() && (stat.mode & 0o111) !== 0
  } catch {
    return false
  }
}

function listDirectory(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** Major version that made the cluster in `data`, from its `PG_VERSION`. */
export function clusterMajor(data: string): string {
  return readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
}
