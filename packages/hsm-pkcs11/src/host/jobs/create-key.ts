import { DomainError } from '@keyhsm/core'
import type { KeySpec } from '@keyhsm/hsm'
import { keyTemplate, type TemplateChoices } from '../../templates.js'
import { classifyFailure, CryptokiError } from '../../return-codes.js'
import { ask } from '../ask.js'
import { describeKey, type KeyDescription, type WholeKey } from './describe-key.js'
import { findKeyObjects } from './find-objects.js'
import type { JobSession } from './job-session.js'

export interface CreateKeyArgs {
  readonly spec: KeySpec
  readonly choices: TemplateChoices
}

/** A key just made: its handles and what the device says about it. */
export interface CreatedKey {
  readonly handles: WholeKey
  readonly description: KeyDescription
}

/**
 * Makes a key and reads it back. The id is looked for first, unless nobody else can have taken it: a search costs as much
 * as the token is large.
 * @throws ERR_ALREADY_EXISTS when the id is taken; ERR_HSM_NOT_SUPPORTED when the kind has not that use; ERR_HSM_REFUSED when the device made something else (it is
 * destroyed then).
 */
export function createKey(job: JobSession, { spec, choices }: CreateKeyArgs): CreatedKey {
  if (job.changedOutside) ensureFree(job, spec)
  const handles = generateUnlessTaken(job, spec, choices)
  const description = describeKey(job, handles)
  if (description?.kind === spec.kind && description.use === spec.use) {
    return { handles, description }
  }
  for (const object of Object.values(handles)) {
    ask(job.cryptoki, 'C_DestroyObject', job.session, object)
  }
  throw new DomainError('ERR_HSM_REFUSED', 'the device made a key of another kind')
}

function ensureFree(job: JobSession, { id }: KeySpec): void {
  const found = findKeyObjects(job, { id, freshSession: false })
  if (Object.values(found).every((objects) => objects.length === 0)) return
  throw new DomainError('ERR_ALREADY_EXISTS', 'there is an HSM key with this id')
}

/** Somebody else may have taken the id since we looked; some devices refuse that themselves. */
function generateUnlessTaken(job: JobSession, spec: KeySpec, choices: TemplateChoices): WholeKey {
  try {
    return generate(job, spec, choices)
  } catch (error) {
    if (!(error instanceof CryptokiError)) throw error
    const means = classifyFailure(error.failure, job.profile.returnCodes)
    if (means === 'id-taken') ensureFree(job, spec)
    throw error
  }
}

function generate(job: JobSession, spec: KeySpec, choices: TemplateChoices): WholeKey {
  const template = keyTemplate(spec, choices)
  if (!template) {
    throw new DomainError('ERR_HSM_NOT_SUPPORTED', `no ${spec.kind} key can ${spec.use}`)
  }
  const { cryptoki, session } = job
  if ('secret' in template) {
    const { mechanism, secret } = template
    return { secretKey: ask(cryptoki, 'C_GenerateKey', session, mechanism, secret) }
  }
  const { mechanism, public: publicHalf, private: privateHalf } = template
  const pair = ask(cryptoki, 'C_GenerateKeyPair', session, mechanism, publicHalf, privateHalf)
  return { privateKey: pair.privateKey, publicKey: pair.publicKey }
}
