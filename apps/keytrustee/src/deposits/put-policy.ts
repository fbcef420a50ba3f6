import { parseFor } from '../policies/set-policy.js'
import type { Caller, Trustee } from '../trustee.js'
import { parsePut, type PutOrder, type RawPut } from './orders.js'

/** A checked put with its policy, whose names are looked up in the caller's organisation. @throws ERR_INVALID_INPUT, ERR_TOO_LARGE */
export async function withPolicy(
  { store, limits }: Trustee,
  { organisation }: Caller,
  raw: RawPut,
): Promise<PutOrder> {
  const order = parsePut(raw, limits.contentBytes)
  if (raw.policy === undefined) return order
  return { ...order, policy: { to: await parseFor(store, organisation.uuid, raw.policy) } }
}
