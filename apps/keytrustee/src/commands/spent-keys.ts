/** HSM keys that deposits shared until they were moved away: nothing revokes them by itself, older backups may need them. */
import type { Input, Io } from '@keyhsm/command-line'
import type { HsmKeyUse } from '../hsm-keys/list-hsm-keys.js'
import { listKeys } from './list-keys.js'

/** Says which shared keys no deposit needs any more, and how they are revoked. Never fails: it is advice. */
export async function hintSpentKeys(input: Input, io: Io): Promise<void> {
  const spent: HsmKeyUse[] = []
  for (const purpose of ['organisation', 'service'] as const) {
    const { keys } = await listKeys(input, { purpose }).catch(() => ({ keys: [] }))
    spent.push(...keys.filter(({ uses }) => uses.length === 0))
  }
  for (const { id, label, backend } of spent)
    io.hint(
      `no deposit is sealed under ${label} (in ${backend}) any more; older backups open with it until: ktadmin hsm-keys revoke ${id}`,
    )
}
