import { userInfo } from 'node:os'
import { DomainError } from '@keyhsm/core'

/**
 * Name of the user this process runs as: who owns the cluster and is let in by `peer`.
 *
 * @throws ERR_SETTINGS for root, whom PostgreSQL refuses to run as, and for a user without a plain name
 */
export function clusterOwner(): string {
  if (process.getuid?.() === 0)
    throw new DomainError('ERR_SETTINGS', 'the private database does not run as root', {
      hints: ['run this as the unprivileged user of the Trustee Server, e.g. keytrustee'],
    })
  const name = findUserName()
  if (name === undefined || !/^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/.test(name))
    throw new DomainError('ERR_SETTINGS', 'the private database needs a user with a plain name', {
      hints: ['the user id of this process must have an entry in /etc/passwd'],
    })
  return name
}

function findUserName(): string | undefined {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}
