/** The groups of a user: what the settings say, else what this machine says (`id`), remembered for a while. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Clock, DomainError, invalidInput } from '@keyhsm/core'
import { SingleFlight } from '../zone-keys/single-flight.js'

const run = promisify(execFile)
const cacheMs = 300_000
const maxRemembered = 10_000

/** User → groups. */
export type StaticGroups = ReadonlyMap<string, readonly string[]>

export interface Groups {
  of(user: string): readonly string[] | Promise<readonly string[]>
}

/** `u1=g1,g2;u2=`: users whose groups are said here. @throws ERR_INVALID_INPUT naming `field`. */
export function parseStaticGroups(text: string, field: string): StaticGroups {
  return new Map(
    splitList(text, ';').map((entry) => {
      const [user = '', groups = '', ...more] = entry.split('=').map((part) => part.trim())
      if (user === '' || more.length > 0)
        throw invalidInput(field, 'must be entries USER=GROUP,GROUP with ; between')
      return [user, splitList(groups, ',')]
    }),
  )
}

function splitList(text: string, separator: string): readonly string[] {
  return text
    .split(separator)
    .map((part) => part.trim())
    .filter(Boolean)
}

/** @param lookUp for tests; default: `id -Gn`. A user unknown to the machine has no groups. */
export function createGroups(
  overrides: StaticGroups,
  clock: Clock,
  lookUp: (user: string) => Promise<readonly string[]> = askMachine,
): Groups {
  const remembered = new Map<string, { readonly groups: readonly string[]; readonly at: number }>()
  const asking = new SingleFlight<readonly string[]>()
  return {
    of(user) {
      const said = overrides.get(user)
      if (said) return said
      const known = remembered.get(user)
      const now = clock.now().getTime()
      if (known && now - known.at < cacheMs) return known.groups
      return asking.do(user, async () => {
        const groups = await lookUp(user)
        if (remembered.size >= maxRemembered) remembered.clear()
        remembered.set(user, { groups, at: now })
        return groups
      })
    },
  }
}

async function askMachine(user: string): Promise<readonly string[]> {
  // What no account can be called is not asked for.
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,255}\$?$/.test(user)) return []
  try {
    const { stdout } = await run('id', ['-Gn', '--', user], { timeout: 5_000 })
    return stdout.trim().split(/\s+/).filter(Boolean)
  } catch (error) {
    // Exit status 1: no such user. Anything else (a directory that does not answer) must not look like that.
    if ((error as { code?: unknown }).code === 1) return []
    throw new DomainError('ERR_UNAVAILABLE', 'the groups of a user cannot be looked up', {
      cause: error,
    })
  }
}
