import { DomainError, type HsmKeyId } from '@keyhsm/core'
import type { KeyFacts } from '../../verbs.js'
import type { CallControl } from '../job-queue.js'
import { type RunVerb, toFacts, type VerbContext } from './verb-context.js'

/** Reads the token anew and describes every whole key of ours; a key that goes away meanwhile is left out. */
export const listKeys: RunVerb<'list'> = async (context, _args, control) => {
  await context.directory.readToken(control)
  const ids = context.directory.wholeKeys()
  const facts: KeyFacts[] = []
  for (let at = 0; at < ids.length; at += atOnce) {
    const some = ids.slice(at, at + atOnce).map((id) => factsOf(context, id, control))
    facts.push(...(await Promise.all(some)).filter((one) => one !== undefined))
  }
  return facts
}

/** Keys described at once: enough to share one hold of the cross-process lock. */
const atOnce = 32

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
