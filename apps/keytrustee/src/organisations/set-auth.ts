/** How clients of an organisation enrol: by a secret, which may end and be limited in uses, by approval only, or openly. */
import { invalidInput } from '@keyhsm/core'
import type { Organisation } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { hashAuthSecret, makeAuthSecret } from './auth-secret.js'
import { changeOrganisation, type OrganisationOrder } from './change-organisation.js'

export interface AuthOrder extends OrganisationOrder {
  /** Absent: one is made. Empty: none, clients wait for approval. */
  readonly auth?: string
  /** Clients are active at once, without a secret and without approval. */
  readonly open?: boolean
  /** Time after which enrolment is by approval only. */
  readonly expiresInMs?: number
  /** Enrolments after which it is. */
  readonly uses?: number
}

/** Shortest secret that an administrator may choose; made ones have 24 characters. */
const minAuthCharacters = 12

/**
 * Replaces the way of enrolment, limits included: none given, none hold.
 * @returns the secret, if it was made here: it is shown this once. @throws ERR_NOT_FOUND, ERR_INTEGRITY, ERR_INVALID_INPUT
 */
export async function setAuth(
  trustee: Trustee,
  order: AuthOrder,
): Promise<{ readonly organisation: Organisation; readonly auth: string | undefined }> {
  checkOrder(order)
  const { open = false, expiresInMs, uses: authUsesLeft } = order
  const auth = open ? '' : (order.auth ?? makeAuthSecret())
  const authHash = auth === '' ? undefined : await hashAuthSecret(auth)
  const now = trustee.clock.now().getTime()
  const authExpiresAt = expiresInMs === undefined ? undefined : new Date(now + expiresInMs)
  const organisation = await changeOrganisation(trustee, order, {
    operation: 'org-set-auth',
    subject: {
      enrolment: wayOf({ authHash, open }),
      ...(authExpiresAt === undefined ? {} : { expiresAt: authExpiresAt.toISOString() }),
      ...(authUsesLeft === undefined ? {} : { uses: authUsesLeft }),
    },
    change: (before) => ({ ...before, authHash, open, authExpiresAt, authUsesLeft }),
  })
  return { organisation, auth: order.auth === undefined && auth !== '' ? auth : undefined }
}

/** How clients enrol, while nothing has ended. */
export function wayOf(
  row: Pick<Organisation, 'authHash' | 'open'>,
): 'secret' | 'open' | 'approval' {
  if (row.open) return 'open'
  return row.authHash === undefined ? 'approval' : 'secret'
}

function checkOrder({ auth, open = false, expiresInMs, uses }: AuthOrder): void {
  if (open && auth !== undefined) throw invalidInput('open', 'cannot be combined with a secret')
  if (auth === '' && (expiresInMs !== undefined || uses !== undefined))
    throw invalidInput('auth', 'must not be empty: approval does not end and has no uses')
  if (auth !== undefined && auth !== '' && auth.length < minAuthCharacters)
    throw invalidInput('auth', `must be empty or at least ${minAuthCharacters} characters`)
}
