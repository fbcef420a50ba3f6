import { DomainError, type HsmKeyId } from '@keyhsm/core'
import type { KeyFacts } from '../../verbs.js'
import type { CallControl } from '../job-queue.js'
import { type RunVerb, toFacts, type VerbContext } from './verb-context.js'

/**
 * Every whole key of ours, described, as the token has them now; a key that goes away meanwhile is left out. The token is
 * read anew unless its stamp shows that this is as good as done: a start would otherwise read it twice.
 */
export const listKeys: RunVerb<'list'> = async (context, _args, control) => {
  await context.directory.readToken(control, true)
  const ids = context.directory.wholeKeys()
  const facts: KeyFacts[] = []
  for (let at = 0; at < ids.length; at += atOnce) {
    const some = ids.slice(at, at + atOnce)
    await context.directory.describeAhead(some, control)
    const found = await Promise.all(some.map((id) => factsOf(context, id, control)))
    facts.push(...found.filter((one) => one !== undefined))
  }
  return facts
}

/** Keys described by one job: short enough to let urgent jobs through, long enough to share a hold of the token's lock. */
const atOnce = 64

async function factsOf(
  { directory }: VerbContext,
  id: HsmKeyId,
  control: CallControl,
): Promise<KeyFacts | undefined> {
  try {
    return toFacts(id, await directory.describe(id, control))
  } catch (error) {
    const left = ['ERR_NOT_FOUND', 'ERR_CONFLICT']
    if (error instanceof DomainError && left.includes(error.code)) return undefined
    throw error
  }
}
