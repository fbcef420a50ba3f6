/** The folder of this installation's KMS, from a command's input. */
import type { Input } from '@keyhsm/command-line'
import { type Paths, pathsIn } from '../paths.js'

export function pathsOf({ home }: Input): Paths {
  return pathsIn(home['keytrustee-kms'])
}
