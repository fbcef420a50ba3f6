/** The name rules of the manual, for deposits that come from where there were none. */
import { parseHandle } from '@keyhsm/core'

/** Letters, digits, `-`, `.` and `_`, of which the first is a letter or digit. @see Key HSM manual, "Prepare Existing Keys for Migration" */
export function isAllowedName(name: string): boolean {
  try {
    parseHandle(name)
    return true
  } catch {
    return false
  }
}

/** A name that the rules allow, as near to the one given as it can be. */
export function suggestName(name: string): string {
  const allowed = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/^[^A-Za-z0-9]+/, '')
  return (allowed === '' ? 'renamed' : allowed).slice(0, 128)
}
