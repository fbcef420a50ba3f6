/**
 * A faulty double: a good backend with exactly one fault of a closed table. It exists to prove that the conformance suite
 * finds each of them, and for tests of what a service does with a backend that is wrong.
 */
import type { Hsm } from '../hsm.js'
import { passOn } from './around-calls.js'
import { connectionFaults } from './connection-faults.js'
import type { Fault } from './fault.js'
import { keyFaults } from './key-faults.js'
import { type LoginFault, loginFaults } from './login-faults.js'
import { unwrapFaults } from './unwrap-faults.js'

const connectedFaults = { ...unwrapFaults, ...keyFaults, ...connectionFaults }

/** Every fault that shows on an open connection. */
export type ConnectedFault = keyof typeof connectedFaults
/** Every fault. */
export type FaultyMode = ConnectedFault | keyof typeof loginFaults

/** The closed table of faults, by name. */
export const faultyModes: readonly FaultyMode[] = [
  ...(Object.keys(connectedFaults) as ConnectedFault[]),
  ...(Object.keys(loginFaults) as (keyof typeof loginFaults)[]),
]

/** `good` with one fault. `pin` is what the faults that leak it leak. */
export function faultyHsm(good: Hsm, mode: ConnectedFault, pin = ''): Hsm {
  const fault: Fault = connectedFaults[mode]
  return { ...passOn(good), ...fault(good, pin) }
}

/** A connection with one fault, made by `connect`, which tries a PIN on the good backend. */
export async function connectFaulty(
  mode: FaultyMode,
  pin: string,
  connect: (pin: string) => Promise<Hsm>,
): Promise<Hsm> {
  if (!isLoginFault(mode)) return faultyHsm(await connect(pin), mode, pin)
  const fault: LoginFault = loginFaults[mode]
  return fault(connect, pin)
}

function isLoginFault(mode: FaultyMode): mode is keyof typeof loginFaults {
  return Object.hasOwn(loginFaults, mode)
}
