/** The connection to the Trustee Server as the client that this KMS is. */
import {
  type Calls,
  type LocalClient,
  openCalls,
  readLocalClient,
  RenewedCalls,
  renewWhenDue,
  TrusteeClient,
} from '@keyhsm/client'
import { DomainError, hasCode } from '@keyhsm/core'
import { trusteeVault } from '../zone-keys/trustee-vault.js'
import type { Vault } from '../zone-keys/vault.js'

export interface TrusteeConnection {
  /** As it is shown now. */
  readonly client: LocalClient
  readonly trustee: TrusteeClient
  readonly vault: Vault
  /** Shows what another command, or this call, renewed; requests under way are not disturbed. @returns whether it did */
  renew(now: Date): Promise<boolean>
  /** The first half of {@link renew}: what is returned shows it. Whatever can fail has been done by then. */
  prepareRenewal(now: Date): Promise<() => boolean>
  close(): Promise<void>
}

/** A client waits 60 seconds for this KMS and then asks another instance: long pauses help nobody. */
const retry = { attempts: 4, pauseMs: 200, maxPauseMs: 2_000 }
const connections = 32

/** Connects on the first call. @throws ERR_SETTINGS when nothing is registered in `folder`, or a key is missing. */
export async function connectTrustee(folder: string): Promise<TrusteeConnection> {
  const registered = await readLocalClient(folder).catch((error: unknown) => {
    if (!hasCode(error, 'ERR_SETTINGS')) throw error
    throw new DomainError('ERR_SETTINGS', error.message.replace('this client', 'this KMS'), {
      cause: error,
      hints: ['run keytrustee-kms init, or init --join FILE for a further instance'],
    })
  })
  let client = await renewWhenDue(folder, registered)
  const calls = new RenewedCalls(callsOf(client))
  const trustee = new TrusteeClient(calls, retry)
  const prepareRenewal = async (now: Date) => {
    const next = await renewWhenDue(folder, await readLocalClient(folder), now)
    if (next.certificate === client.certificate) return () => false
    const shown = callsOf(next)
    return () => {
      client = next
      calls.use(shown)
      return true
    }
  }
  return {
    get client() {
      return client
    },
    trustee,
    vault: trusteeVault(client, trustee),
    prepareRenewal,
    renew: async (now) => (await prepareRenewal(now))(),
    close: () => calls.destroy(),
  }
}

function callsOf({ settings, tls, follower }: LocalClient): Calls {
  return openCalls({ url: settings.server, tls, follower, connections })
}
