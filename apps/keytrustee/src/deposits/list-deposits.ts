import type { Handle, Uuid } from '@keyhsm/core'
import { auditRefusal } from '../audited.js'
import type { DepositPage } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'

export const defaultPageSize = 100

export interface DepositList {
  readonly deposits: readonly DepositReply[]
  readonly next: Handle | undefined
}

/** A page of the caller's deposits, removed ones included. Rows whose grant is not ours are left out and audited. */
export async function listDeposits(
  trustee: Trustee,
  caller: Caller,
  o: { readonly requestId: Uuid; readonly after?: Handle; readonly limit?: number },
): Promise<DepositList> {
  const { client, organisation } = caller
  const page = await trustee.store.listDeposits({
    owner: client.uuid,
    organisation: organisation.uuid,
    limit: o.limit ?? defaultPageSize,
    ...(o.after === undefined ? {} : { after: o.after }),
  })
  return believedPage(trustee, page, { requestId: o.requestId, actor: client.uuid })
}

/** The rows of a page that this server granted; the others are audited as `integrity`. */
export async function believedPage(
  { grants, audit }: Trustee,
  page: DepositPage,
  by: { readonly requestId: Uuid; readonly actor: string },
): Promise<DepositList> {
  const foreign = page.deposits.filter((deposit) => !grants.believesDeposit(deposit))
  const subjects = foreign.map(({ uuid, handle }) => ({ deposit: uuid, handle }))
  await auditRefusal(audit, { operation: 'list', ...by, subjects }, 'integrity', 'grant')
  const deposits = page.deposits
    .filter((deposit) => !foreign.includes(deposit))
    .map((deposit) => toDepositReply(deposit, deposit.latest))
  return { deposits, next: page.next }
}
