/**
 * Programs started as root continue as their own account: the HSM's PIN, the stored deposits and the network never
 * meet root's rights. Nothing here runs unless the process is root.
 */
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
} from 'node:fs'
import { DomainError } from '@keyhsm/core'
import { type Account, findAccount } from './accounts.js'
import type { Io, ServiceUser } from './records.js'

/** Environment variables that name another account; tests and packagers use them. */
const accountVariables: Readonly<Record<ServiceUser, string>> = {
  keyhsm: 'KEYHSM_USER',
  keytrustee: 'KEYTRUSTEE_USER',
  'keytrustee-kms': 'KEYTRUSTEE_KMS_USER',
}

/** What makes the folder of each, for who is in a place where nothing is set up. */
const firstCommands: Readonly<Record<ServiceUser, string>> = {
  keyhsm: 'keyhsm setup HSM',
  keytrustee: 'ktadmin init',
  'keytrustee-kms': 'keytrustee-kms init',
}

/** The account to drop to, undefined when the process is not root. @throws ERR_SETTINGS when it does not exist or is root. */
export function findServiceAccount(
  user: ServiceUser,
  env: Readonly<Record<string, string | undefined>>,
): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const variable = accountVariables[user]
  const name = env[variable] || user
  const account = findAccount(name)
  if (!account)
    throw new DomainError('ERR_SETTINGS', `the operating system user ${name} does not exist`, {
      hints: [
        `create it: useradd --system --user-group --shell /usr/sbin/nologin ${name}`,
        `or name another with the environment variable ${variable}, or do not run this as root`,
      ],
    })
  if (account.uid === 0)
    throw new DomainError('ERR_SETTINGS', `${variable} must not name root or another uid 0`)
  return account
}

/**
 * Makes the folder with mode 0700 where it is missing, and gives it to `account`; without one it belongs to whoever runs
 * this. Call before {@link dropPrivileges}. The parent is made with mode 0755: the other service must pass through it.
 * @throws ERR_SETTINGS when it cannot be made, is a symbolic link, or belongs to a third account.
 */
export function ensureHome(path: string, account?: Account): void {
  orSettingsFault(path, () => {
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (parent !== '') mkdirSync(parent, { recursive: true, mode: 0o755 })
    makeFolder(path)
    takeFolder(path, account)
  })
}

/**
 * As {@link ensureHome}, but makes nothing: a mistyped place stays as it is.
 * @throws ERR_SETTINGS also when there is no such folder; the hint names what sets it up.
 */
export function requireHome(path: string, user: ServiceUser, account?: Account): void {
  if (!homeExists(path))
    throw new DomainError('ERR_SETTINGS', `nothing is set up: there is no folder ${path}`, {
      hints: [
        `run \`${firstCommands[user]}\`, or name the right place with --home DIR or the environment variable KEYHSM_HOME`,
      ],
    })
  orSettingsFault(path, () => takeFolder(path, account))
}

/** Whether anything stands there, be it of another kind or another's: then it is there to be refused. */
export function homeExists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function orSettingsFault(path: string, use: () => void): void {
  try {
    use()
  } catch (error) {
    if (error instanceof DomainError) throw error
    throw new DomainError('ERR_SETTINGS', `cannot make or use the folder ${path}`, {
      cause: error,
      hints: ['choose another place with --home DIR or the environment variable KEYHSM_HOME'],
    })
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** By descriptor and without following links, so that nobody can point root's chown elsewhere in between. */
function takeFolder(path: string, account: Account | undefined): void {
  const own = process.getuid?.() ?? 0
  const owner = account?.uid ?? own
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    const { uid, mode } = fstatSync(folder)
    if (uid === owner && (mode & 0o077) === 0) return
    if (uid !== owner && uid !== own)
      throw new DomainError('ERR_SETTINGS', `the folder ${path} belongs to another user`)
    fchmodSync(folder, 0o700)
    if (account) fchownSync(folder, account.uid, account.gid)
  } finally {
    closeSync(folder)
  }
}

/**
 * Becomes `account` for good and checks that there is no way back. Sets HOME, USER and LOGNAME and removes what still
 * points at the former user.
 * @throws ERR_SETTINGS when root could be regained or `home` cannot be entered any more.
 */
export function dropPrivileges(account: Account, io: Pick<Io, 'stderr'>, home?: string): void {
  const { initgroups } = process as WithInitgroups
  initgroups?.call(process, account.name, account.gid)
  process.setgid?.(account.gid)
  process.setuid?.(account.uid)
  if (canBecomeRoot()) throw new DomainError('ERR_SETTINGS', 'privileges could not be dropped')
  Object.assign(process.env, { HOME: account.home, USER: account.name, LOGNAME: account.name })
  for (const name of Object.keys(process.env))
    if (/^(XDG_|SUDO_|MAIL$)/.test(name)) delete process.env[name]
  io.stderr.write(`Dropped privileges to ${account.name}\n`)
  if (home !== undefined) checkEnterable(home, account)
  leaveClosedDirectory(home)
}

/** Missing in @types/node 20. @see https://nodejs.org/docs/latest-v20.x/api/process.html#processinitgroupsuser-extragroup */
type WithInitgroups = NodeJS.Process & {
  readonly initgroups?: (user: string, extraGroup: number) => void
}

function canBecomeRoot(): boolean {
  try {
    process.setuid?.(0)
    return true
  } catch {
    return false
  }
}

function checkEnterable(home: string, account: Account): void {
  try {
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new DomainError('ERR_SETTINGS', `the user ${account.name} cannot enter ${home}`, {
      cause: error,
      hints: ['every directory above it needs the x permission for this user'],
    })
  }
}

/** Child processes would complain or fail in a working directory that the account may not enter. */
function leaveClosedDirectory(home = '/'): void {
  try {
    accessSync('.', constants.R_OK | constants.X_OK)
  } catch {
    process.chdir(home)
  }
}
