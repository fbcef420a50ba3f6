import { LinkError, NaeRefusal } from '../failure.js'
import type { Message } from '../wire/message-reader.js'
import type { NaeLink, NaeRequest } from './nae-link.js'

/**
 * Sends a request that every session may make which is logged in. A refusal in words that nobody knows is therefore taken
 * for a lost login: the connection is given up, and whoever lent it tries again on a fresh one.
 * @throws LinkError, and NaeRefusal when its meaning is known
 */
export async function askCommon(
  link: NaeLink,
  request: NaeRequest,
  limitMs: number,
): Promise<Message> {
  try {
    return await link.request(request, limitMs)
  } catch (error) {
    if (!(error instanceof NaeRefusal) || error.means !== 'unknown') throw error
    link.close()
    throw new LinkError('lost', error.message, { cause: error })
  }
}
