import { DomainError } from '@keyhsm/core'
import type { NaeLink } from '../connection/nae-link.js'
import type { NaeDialect } from '../dialect/dialect.js'
import { askCommon } from '../connection/ask-common.js'
import { keyNamesRequest, parseKeyNames } from '../messages/keys.js'

const pageSize = 2000
const maxPages = 1000

/**
 * The names of all keys that the user may see, page by page. An appliance that knows no pages answers each request with
 * everything: then the first answer is all.
 * @throws ERR_HSM_REFUSED when it does not end
 */
export async function listNames(
  link: NaeLink,
  dialect: NaeDialect,
  limitMs: number,
): Promise<string[]> {
  const seen = new Set<string>()
  for (let page = 0; page < maxPages; page++) {
    const asked = keyNamesRequest(dialect, seen.size, pageSize)
    const { element } = await askCommon(link, asked, limitMs)
    const names = parseKeyNames(dialect, element)
    const before = seen.size
    for (const name of names) seen.add(name)
    if (names.length !== pageSize || seen.size === before) return [...seen]
  }
  throw new DomainError('ERR_HSM_REFUSED', 'the list of keys does not end')
}
