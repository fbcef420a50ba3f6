import type { Verb, Verbs } from '../../verbs.js'
import type { CallControl, Urgency } from '../job-queue.js'
import { authenticate, signDigest } from './authenticate.js'
import { createKey } from './create-key.js'
import { destroyKey } from './destroy-key.js'
import { findKey } from './find-key.js'
import { listKeys } from './list-keys.js'
import { deriveSecret, unwrapKey } from './unwrap-key.js'
import { renameKey } from './rename-key.js'
import type { RunVerb, VerbContext } from './verb-context.js'
import { proveKey, wrapKey, wrapProvedKey } from './wrap-key.js'

interface VerbTrait<Name extends Verb> {
  readonly run: RunVerb<Name>
  readonly urgency: Urgency
}

/** Every verb of the host, and how urgent it is. */
export const verbTable: { readonly [Name in Verb]: VerbTrait<Name> } = {
  create: { run: createKey, urgency: 'create' },
  createInBackground: { run: (...asked) => createKey(...asked), urgency: 'list' },
  rename: { run: renameKey, urgency: 'wrap' },
  find: { run: findKey, urgency: 'wrap' },
  list: { run: listKeys, urgency: 'list' },
  prove: { run: proveKey, urgency: 'wrap' },
  wrap: { run: wrapKey, urgency: 'wrap' },
  wrapProved: { run: wrapProvedKey, urgency: 'wrap' },
  unwrap: { run: unwrapKey, urgency: 'unwrap' },
  derive: { run: deriveSecret, urgency: 'unwrap' },
  authenticate: { run: authenticate, urgency: 'unwrap' },
  sign: { run: signDigest, urgency: 'wrap' },
  destroy: { run: destroyKey, urgency: 'create' },
  recheck: { run: recheck, urgency: 'list' },
  probe: { run: probe, urgency: 'unwrap' },
}

async function recheck(
  { directory }: VerbContext,
  _args: Verbs['recheck']['args'],
  control: CallControl,
): Promise<number> {
  const { keys } = await directory.readToken(control)
  return keys
}

async function probe(
  { scheduler, directory }: VerbContext,
  _args: Verbs['probe']['args'],
  control: CallControl,
): Promise<Verbs['probe']['result']> {
  const memory = await scheduler.submit('touchToken', undefined, control)
  return { keys: directory.size, memory }
}
