/** Retrieving what trustees must approve: a request is made or found, waited for when wished, and used. */
import { setTimeout as pause } from 'node:timers/promises'
import { askTrustees, type RetrievalRequest, type Retrieved } from '@keyhsm/client'
import type { Io } from '@keyhsm/command-line'
import { DomainError, hasCode } from '@keyhsm/core'
import type { Lent } from './with-trustee.js'

export interface GetOrder {
  readonly ref: string
  /** Uuid of a request; absent: one that is open for the same deposit, or a new one. */
  readonly request: string | undefined
  /** How long to wait for trustees; 0: not at all. */
  readonly waitMs: number
}

const pollMs = 1_000

/** @throws ERR_APPROVAL_NEEDED with the request's uuid when trustees have not approved in time. */
export async function getApproved(lent: Lent, order: GetOrder, io: Io): Promise<Retrieved> {
  const { trustee } = lent
  const { ref, request } = order
  try {
    return await trustee.get(ref, request)
  } catch (error) {
    if (!hasCode(error, 'ERR_APPROVAL_NEEDED')) throw error
    const asked = await askOrFind(lent, order)
    if (asked.state !== 'approved') await wait(lent, asked, { order, io })
    return await trustee.get(ref, asked.uuid)
  }
}

async function askOrFind(
  { client, trustee }: Lent,
  { ref, request }: GetOrder,
): Promise<RetrievalRequest> {
  if (request !== undefined) return await trustee.request(request)
  const requests = await trustee.requests()
  const own = requests.filter(
    (one) =>
      one.client === client.settings.client &&
      one.clientSignature !== undefined &&
      (one.handle === ref || one.deposit === ref),
  )
  const found =
    own.find(({ state }) => state === 'approved') ?? own.find(({ state }) => state === 'open')
  return found ?? (await askTrustees(trustee, client, ref))
}

async function wait(
  { trustee }: Lent,
  asked: RetrievalRequest,
  { order, io }: { readonly order: GetOrder; readonly io: Io },
): Promise<void> {
  const { uuid, required, expiresAt } = asked
  io.words(`${required} trustees must approve request ${uuid} until ${expiresAt}`)
  const deadline = Date.now() + order.waitMs
  let { state } = asked
  while (state === 'open' && Date.now() < deadline) {
    await pause(Math.min(pollMs, Math.max(1, deadline - Date.now())))
    state = (await trustee.request(uuid)).state
  }
  if (state === 'approved') return
  const detail = state === 'open' ? 'trustees have not approved yet' : `the request is ${state}`
  throw new DomainError('ERR_APPROVAL_NEEDED', detail, {
    hints: state === 'open' ? [`later: the same again, with --request ${uuid}`] : [],
  })
}
