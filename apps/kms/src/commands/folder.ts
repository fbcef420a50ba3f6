/** What commands share: the folder of this installation's KMS, and who typed them. */
import type { Input } from '@keyhsm/command-line'
import { type Paths, pathsIn } from '../paths.js'

export function pathsOf({ home }: Input): Paths {
  return pathsIn(home['keytrustee-kms'])
}

/** Commands run as the KMS's own user; who typed them is known only through sudo. */
export function operatorName(): string {
  return `operator:${process.env['SUDO_USER'] ?? process.env['USER'] ?? 'unknown'}`
}
