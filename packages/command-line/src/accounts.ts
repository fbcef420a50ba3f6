/** Operating system accounts, looked up without a native addon: /etc/passwd first, then `getent` for directories. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** The account called `name`, undefined when there is none. */
export function findAccount(name: string): Account | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/.test(name)) return undefined
  return findInPasswd(readFileSync('/etc/passwd', 'utf8'), name) ?? findByGetent(name)
}

/** The line of `name` in the text of a passwd file. @see passwd(5) */
export function findInPasswd(text: string, name: string): Account | undefined {
  for (const line of text.split('\n')) {
    const [found, , uid, gid, , home] = line.split(':')
    if (found !== name || uid === undefined || gid === undefined) continue
    if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return undefined
    return { name, uid: Number(uid), gid: Number(gid), home: home === '' ? '/' : (home ?? '/') }
  }
  return undefined
}

function findByGetent(name: string): Account | undefined {
  try {
    const text = execFileSync('getent', ['passwd', '--', name], {
      encoding: 'utf8',
      timeout: 5000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return findInPasswd(text, name)
  } catch {
    // Exit status 2 means no such account; without getent only /etc/passwd counts.
    return undefined
  }
}
