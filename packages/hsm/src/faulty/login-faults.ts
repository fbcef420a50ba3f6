/** Faults of the login: `connect` tries one PIN on the good backend. */
import { DomainError } from '@keyhsm/core'
import type { Hsm } from '../hsm.js'
import { onError } from './fault.js'

export type LoginFault = (connect: (pin: string) => Promise<Hsm>, pin: string) => Promise<Hsm>

export const loginFaults = {
  'tries a refused PIN again, with a line break': (connect, pin) =>
    onError(connect(pin), 'ERR_HSM_LOGIN', () => connect(`${pin}\n`)),

  'reports a refused login as unavailable': (connect, pin) =>
    onError(connect(pin), 'ERR_HSM_LOGIN', () => {
      throw new DomainError('ERR_HSM_UNAVAILABLE', 'the device did not answer')
    }),

  'quotes the refused PIN': (connect, pin) =>
    onError(connect(pin), 'ERR_HSM_LOGIN', () => {
      throw new DomainError('ERR_HSM_LOGIN', 'refused', { hints: [`is ${pin} right?`] })
    }),
} as const satisfies Record<string, LoginFault>
