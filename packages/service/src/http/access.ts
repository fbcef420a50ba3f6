/** Who may call a route. */
import { DomainError } from '@keyhsm/core'
import type { Identity } from './route-request.js'

/** @throws ERR_NOT_AUTHENTICATED when nobody is known; ERR_NOT_ALLOWED when the caller is of another kind. */
export function admit(access: Identity['kind'], identity: Identity | undefined): Identity {
  if (identity === undefined) {
    throw new DomainError('ERR_NOT_AUTHENTICATED', 'the caller is not known')
  }
  if (identity.kind !== access) {
    throw new DomainError('ERR_NOT_ALLOWED', `only ${callers[access]} may do this`)
  }
  return identity
}

const callers: Readonly<Record<Identity['kind'], string>> = {
  service: 'a trusted service',
  client: 'an enrolled client',
  administrator: 'an administrator',
}
