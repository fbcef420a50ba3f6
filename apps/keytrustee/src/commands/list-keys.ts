import type { Input } from '@keyhsm/command-line'
import { listHsmKeyUsesRoute, type QueryOf } from '@keyhsm/protocol'
import type { HsmKeyUse } from '../hsm-keys/list-hsm-keys.js'
import { callServer } from './control.js'

type Filter = Pick<QueryOf<typeof listHsmKeyUsesRoute>, 'purpose'>

export interface Listed {
  readonly keys: readonly HsmKeyUse[]
  /** Names of HSMs that could not be asked. */
  readonly unreachable: readonly string[]
}

/** This realm's HSM keys, in whichever HSM they are, asked for page by page. */
export async function listKeys(input: Input, filter: Filter = {}): Promise<Listed> {
  const keys: HsmKeyUse[] = []
  const unreachable = new Set<string>()
  let after: string | undefined
  do {
    const query = { ...filter, limit: 10_000, ...(after === undefined ? {} : { after }) }
    const page = await callServer(input, listHsmKeyUsesRoute, { query })
    keys.push(...page.keys)
    for (const name of page.unreachable) unreachable.add(name)
    after = page.next
  } while (after !== undefined)
  return { keys, unreachable: [...unreachable] }
}
