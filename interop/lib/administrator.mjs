/** An administrator of a stack's Trustee Server in this process, without starting a program for each request. */
import { join } from 'node:path'
import { Transport } from '@keyhsm/client'
import { readAdministratorKey } from '../../apps/keytrustee/dist/administrators.js'
import { pathsIn } from '../../apps/keytrustee/dist/paths.js'

/** The caller closes it. */
export async function openAdministrator(stack) {
  const paths = pathsIn(join(stack.home, 'keytrustee'))
  const signer = await readAdministratorKey(paths, undefined)
  return new Transport({ socketPath: paths.controlSocket, signer, connections: 2 })
}
