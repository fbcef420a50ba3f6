import { fingerprintOfRecipient } from '@keyhsm/client'
import type { Io } from '@keyhsm/command-line'

/** The recipient that this client seals for besides, and the one that the server announces. */
export interface RecoveryState {
  readonly pinned: string | undefined
  readonly announced: string | undefined
}

/** Warns when content would be lost with this client's key although the organisation has a recovery recipient. */
export function sayRecovery({ pinned, announced }: RecoveryState, io: Io): void {
  if (announced === undefined || announced === pinned) return
  io.words(
    pinned === undefined
      ? 'warning: the organisation has a recovery recipient that is not pinned here: nothing is sealed for it'
      : 'warning: the server announces another recovery recipient than the pinned one, which stays in use',
  )
  io.hint(
    `once compared with an administrator: keytrustee recovery --fingerprint ${fingerprintOfRecipient(announced)}`,
  )
}
