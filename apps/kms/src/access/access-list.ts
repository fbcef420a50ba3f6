/** A list of users and groups as Hadoop writes it: `users groups`, each separated by commas, one space between. */

export interface AccessList {
  readonly everybody: boolean
  readonly users: ReadonlySet<string>
  readonly groups: ReadonlySet<string>
  /** Real users of proxied calls: `~name`. */
  readonly realUsers: ReadonlySet<string>
  /** As it was written. */
  readonly text: string
}

/** Who asks, as lists see it: short names. */
export interface Subject {
  readonly user: string
  readonly realUser?: string | undefined
  readonly groups: readonly string[]
}

/** Reads any text: Hadoop refuses none. Trap: `a, b` is the user `a` and the group `b`. */
export function parseAccessList(text: string): AccessList {
  const [users, groups] = splitOnce(text)
  const userNames = names(users)
  return {
    everybody: users.trim() === '*' || groups.trim() === '*',
    users: new Set(userNames.filter((name) => !name.startsWith('~'))),
    realUsers: new Set(
      userNames.filter((name) => name.startsWith('~')).map((name) => name.slice(1)),
    ),
    groups: new Set(names(groups)),
    text,
  }
}

export function isInList(list: AccessList, { user, realUser, groups }: Subject): boolean {
  if (list.everybody || list.users.has(user)) return true
  if (realUser !== undefined && list.realUsers.has(realUser)) return true
  return list.groups.size > 0 && groups.some((group) => list.groups.has(group))
}

/** At the first space; what follows a second one belongs to the groups. */
function splitOnce(text: string): readonly [string, string] {
  const at = text.indexOf(' ')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function names(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
}
