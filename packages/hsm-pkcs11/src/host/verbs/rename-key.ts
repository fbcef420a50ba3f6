import { type RunVerb, toFacts } from './verb-context.js'

/** Gives every object of a key another label; the half that opens comes last, so its label says what was finished. */
export const renameKey: RunVerb<'rename'> = async (context, { id, label }, control) => {
  const { directory, scheduler } = context
  await directory.withKey(id, control, (key) => {
    const objects = 'secretKey' in key ? [key.secretKey] : [key.publicKey, key.privateKey]
    return scheduler.submit('renameObjects', { objects, label }, control)
  })
  directory.forgetDescription(id)
  return toFacts(id, await directory.describe(id, control))
}
