import { ensureNoConflict, toWhole } from '../key-handles.js'
import { JobError } from '../scheduler.js'
import { type RunVerb, toFacts } from './verb-context.js'

/** Looks on the token, whatever is cached: this verb is asked by administration, and by those who want to be sure. */
export const findKey: RunVerb<'find'> = async ({ directory, scheduler }, { id }, control) => {
  const handles = await directory.look(id, control)
  ensureNoConflict(handles)
  const key = toWhole(handles)
  if (!key) return undefined
  try {
    const description = await scheduler.submit('describeKey', key, control)
    return description && toFacts(id, description)
  } catch (error) {
    // Destroyed between the look and the reading.
    if (error instanceof JobError && error.means === 'key-missing') return undefined
    throw error
  }
}
