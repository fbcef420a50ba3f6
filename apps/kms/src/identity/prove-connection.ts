/** The Trustee Server knows this client, and this instance opens what the others share. */
import { DomainError } from '@keyhsm/core'
import type { Paths } from '../paths.js'
import { connectTrustee } from '../service/connect-trustee.js'
import { hasSharedSecrets, proveSharedIdentity } from '../shared/shared-secrets.js'

/** @throws ERR_SETTINGS for another identity than the others'; the codes of being unable to ask. */
export async function proveConnection(
  paths: Paths,
  { joined }: { readonly joined: boolean },
): Promise<void> {
  const connection = await connectTrustee(paths.client)
  try {
    await connection.trustee.self()
    if (await hasSharedSecrets(connection.vault)) await proveSharedIdentity(connection.vault)
    else if (joined)
      throw new DomainError('ERR_UNAVAILABLE', 'the first instance has never been started', {
        hints: ['start it once with keytrustee-kms start, then run init --join again'],
      })
  } finally {
    await connection.close()
  }
}
