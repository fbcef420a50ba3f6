/** Which sealer is in use. Once joined there is no way back to pass-through but by a person. */
import { DomainError } from '@keyhsm/core'
import type { Sealer, Sealing } from './sealer.js'

/** What a joined server does with bytes that are not sealed. */
export interface UnsealedRule {
  /** New deposits pass through: they were moved out of the HSM by a person's order. */
  readonly puts: boolean
  /** Deposits that are not sealed are opened: such are moved in or out, or were moved out. */
  readonly opens: boolean
}

export interface SealingState extends Sealing {
  /** `keytrustee.sealing=pass-through` */
  readonly passThroughAllowed: boolean
  /** Seals through this Key HSM from now on. */
  join(sealer: Sealer): void
  /** Whether deposits that are not sealed are opened. */
  readonly opensUnsealed: boolean
  /** Counts once joined. */
  ruleUnsealed(rule: UnsealedRule): void
  /** Knows no Key HSM any more, and never was joined. */
  leave(): void
  /** Nothing passes through until the returned function is called: joining must not race with unsealed deposits. */
  holdPassThrough(): () => void
}

/** Of a joined server that moves nothing. */
export const nothingUnsealed: UnsealedRule = { puts: false, opens: false }

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
  let wasJoined = o.wasJoined
  let rule = nothingUnsealed
  let held = false
  const putsUnsealed = () => (hsm ? rule.puts : !wasJoined)
  const opensUnsealed = () => (hsm ? rule.opens : !wasJoined)
  return {
    get state() {
      if (putsUnsealed()) return o.passThroughAllowed ? 'pass-through' : 'none'
      return hsm ? 'hsm' : 'none'
    },
    get opensUnsealed() {
      return opensUnsealed()
    },
    passThrough: o.passThrough,
    passThroughAllowed: o.passThroughAllowed,
    forPut() {
      if (hsm && !putsUnsealed()) return hsm
      if (held) throw new DomainError('ERR_BUSY', 'the server is being joined to a Key HSM')
      if (putsUnsealed() && o.passThroughAllowed) return o.passThrough
      throw notJoined()
    },
    forRetrieval(stored) {
      if (stored === 'pass-through') return opensUnsealed() ? o.passThrough : undefined
      if (hsm) return hsm
      throw notJoined()
    },
    join(sealer) {
      hsm = sealer
    },
    ruleUnsealed(next) {
      rule = next
    },
    leave() {
      hsm = undefined
      wasJoined = false
      rule = nothingUnsealed
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
