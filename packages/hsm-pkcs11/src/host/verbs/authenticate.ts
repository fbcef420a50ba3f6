import { DomainError } from '@keyhsm/core'
import { ensureUse, type RunVerb } from './verb-context.js'

/** A MAC by a key of use `authenticate`. */
export const authenticate: RunVerb<'authenticate'> = async (context, { id, message }, control) => {
  const { directory, scheduler } = context
  const description = await directory.describe(id, control)
  ensureUse(description, 'authenticate')
  const { kind } = description
  return await directory.withKey(id, control, (key) => {
    const isMac = kind === 'hmac-sha256' || kind === 'cmac-aes-256'
    if (!isMac || !('secretKey' in key)) throw wrongKind(kind)
    return scheduler.submit('sign', { how: kind, key: key.secretKey, input: message }, control)
  })
}

/** ECDSA by a key of use `sign`. */
export const signDigest: RunVerb<'sign'> = async (context, { id, digest }, control) => {
  const { directory, scheduler } = context
  const description = await directory.describe(id, control)
  ensureUse(description, 'sign')
  return await directory.withKey(id, control, (key) => {
    if (!('privateKey' in key)) throw wrongKind(description.kind)
    return scheduler.submit('sign', { how: 'ecdsa', key: key.privateKey, input: digest }, control)
  })
}

function wrongKind(kind: string): DomainError {
  return new DomainError('ERR_HSM_REFUSED', `a ${kind} key cannot do that`)
}
