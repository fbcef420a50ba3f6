import { DomainError } from '@keyhsm/core'
import type { CryptokiHandle } from '../../cryptoki.js'
import type { CallControl } from '../job-queue.js'
import { countObjects, ensureNoConflict } from '../key-handles.js'
import { JobError } from '../scheduler.js'
import type { RunVerb, VerbContext } from './verb-context.js'

/**
 * Destroys every object with the id, the half that opens first, and looks again on another session whether any is left.
 * @throws ERR_CONFLICT when two keys have this id: somebody must say which; ERR_HSM_REFUSED when an object stays.
 */
export const destroyKey: RunVerb<'destroy'> = async (context, { id }, control) => {
  const { directory, scheduler } = context
  const handles = await directory.look(id, control)
  ensureNoConflict(handles)
  if (countObjects(handles) === 0) return 'already-gone'
  directory.forget(id)
  for (const object of [...handles.privateKeys, ...handles.secretKeys, ...handles.publicKeys]) {
    await destroyObject(context, object, control)
  }
  const args = { id, freshSession: true }
  const left = await scheduler.submit('confirmKeyObjects', args, control)
  directory.drop(id)
  if (countObjects(left) === 0) return 'destroyed'
  throw new DomainError('ERR_HSM_REFUSED', 'the HSM still shows the key that was destroyed')
}

async function destroyObject(
  { scheduler }: VerbContext,
  object: CryptokiHandle,
  control: CallControl,
): Promise<void> {
  try {
    await scheduler.submit('destroyObject', object, control)
  } catch (error) {
    // Somebody else was faster.
    if (!(error instanceof JobError) || error.means !== 'key-missing') throw error
  }
}
