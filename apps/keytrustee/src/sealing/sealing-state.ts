/** Which sealer is in use. Once joined there is no way back to pass-through but by a person. */
import { DomainError } from '@keyhsm/core'
import type { Sealer, Sealing } from './sealer.js'

export interface SealingState extends Sealing {
  /** Seals through this Key HSM from now on. */
  join(sealer: Sealer): void
  /** Nothing passes through until the returned function is called: joining must not race with unsealed deposits. */
  holdPassThrough(): () => void
}

/**
 * @param o.passThroughAllowed `keytrustee.sealing=pass-through`
 * @param o.wasJoined whether the database says that its server was joined: then nothing passes through
 */
export function createSealingState(o: {
  readonly passThrough: Sealer
  readonly passThroughAllowed: boolean
  readonly wasJoined: boolean
}): SealingState {
  let hsm: Sealer | undefined
  let held = false
  const passesThrough = () => hsm === undefined && !o.wasJoined
  return {
    get state() {
      if (hsm) return 'hsm'
      return passesThrough() && o.passThroughAllowed ? 'pass-through' : 'none'
    },
    forPut() {
      if (hsm) return hsm
      if (held) throw new DomainError('ERR_BUSY', 'the server is being joined to a Key HSM')
      if (passesThrough() && o.passThroughAllowed) return o.passThrough
      throw notJoined()
    },
    forRetrieval(stored) {
      if (stored === 'pass-through') return passesThrough() ? o.passThrough : undefined
      if (hsm) return hsm
      throw notJoined()
    },
    join(sealer) {
      hsm = sealer
    },
    holdPassThrough() {
      held = true
      return () => {
        held = false
      }
    },
  }
}

export function notJoined(): DomainError {
  return new DomainError(
    'ERR_NOT_JOINED',
    'the server is not joined to a Key HSM: run ktadmin keyhsm',
    {
      hints: ['an administrator joins it with: ktadmin keyhsm --server URL --trust'],
    },
  )
}
