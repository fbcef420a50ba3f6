/** The ACL file in use: looked at every second, taken when it changed and can be read, else the old rules stay. */
import { stat } from 'node:fs/promises'
import { DomainError, toDomainError } from '@keyhsm/core'
import { readConfiguration } from '../configuration/configuration.js'
import { type Acls, parseAcls } from './acls.js'

export interface AclFile {
  current(): Acls
  /** Reads `path` now; the rules in use stay. @throws ERR_SETTINGS when it cannot be read or understood. */
  prepare(path: string): Promise<PreparedAcls>
  close(): void
}

/** Rules that were read and are not in use yet. */
export interface PreparedAcls {
  readonly acls: Acls
  /** Puts them in use; their file is the one that is looked at from then on. */
  use(): void
}

const watchMs = 1_000

/**
 * @param onChange told of every new set of rules; @param onFault told once of each state of the file that cannot be used.
 * @throws ERR_SETTINGS when the file cannot be read or understood now: a KMS without rules must not start.
 */
export async function openAclFile(
  path: string,
  onChange: (acls: Acls) => void,
  onFault: (error: DomainError) => void,
): Promise<AclFile> {
  let followed = path
  let seen = await stamp(path)
  let acls = await readAcls(path)
  onChange(acls)
  const prepare = async (from: string) => {
    const then = await stamp(from)
    const read = await readAcls(from)
    return {
      acls: read,
      use() {
        followed = from
        seen = then
        acls = read
        onChange(acls)
      },
    }
  }
  let looking = false
  const look = async () => {
    if (looking) return
    looking = true
    const at = followed
    try {
      const now = await stamp(at)
      if (now === seen || at !== followed) return
      seen = now
      const read = await readAcls(at)
      // A reload may have put newer ones in use meanwhile.
      if (at !== followed || now !== seen) return
      acls = read
      onChange(acls)
    } catch (error) {
      onFault(toDomainError(error))
    } finally {
      looking = false
    }
  }
  const watcher = setInterval(() => void look(), watchMs).unref()
  return { current: () => acls, prepare, close: () => clearInterval(watcher) }
}

/** @throws ERR_SETTINGS also when there is no such file: an empty one allows what the operation ACLs and the blacklist refuse. */
export async function readAcls(path: string): Promise<Acls> {
  if ((await stamp(path)) === absent)
    throw new DomainError('ERR_SETTINGS', `${path} is not there or cannot be read`, {
      hints: ['bring it back; an empty <configuration/> says that there are no rules'],
    })
  return parseAcls(await readConfiguration([path], {}))
}

const absent = 'absent'

/** What changes with every edit: editors replace files, so the inode counts too. */
async function stamp(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found ? `${found.ino}/${found.mtimeMs}/${found.size}` : absent
}
