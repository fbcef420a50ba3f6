import { DomainError, type Uuid } from '@keyhsm/core'

/** What a migration hears that would begin while one of another server is open. */
export function migratingElsewhere(uuid: Uuid): DomainError {
  return new DomainError(
    'ERR_CONFLICT',
    `a migration is under way on another server of this installation (${uuid})`,
    { hints: ['order it there: ktadmin migrate status'] },
  )
}
