/** Trustees and approvals from the wire: decoded, in order, each rule named. */
import { invalidInput } from '@keyhsm/core'
import type { Trustees } from '@keyhsm/envelope'
import { type BodyOf, decodeBase64, type openRoute, type sealRoute } from '@keyhsm/protocol'
import type { Approval } from '../operations/check-approval.js'

/** @throws ERR_INVALID_INPUT */
export function toTrustees({
  required,
  keys: texts,
}: NonNullable<BodyOf<typeof sealRoute>['trustees']>): Trustees {
  const keys = texts
    .map((text) => decodeKey(text, 'trustees.keys'))
    .sort((a, b) => Buffer.compare(a, b))
  if (keys.some((key, index) => keys[index + 1]?.equals(key)))
    throw invalidInput('trustees.keys', 'must be different ones')
  if (required > keys.length)
    throw invalidInput('trustees.required', 'must be at most the number of trustees')
  return { required, keys }
}

/** @throws ERR_INVALID_INPUT */
export function toApproval(raw: NonNullable<BodyOf<typeof openRoute>['approval']>): Approval {
  const { request, client, approvals } = raw
  return {
    request,
    client,
    clientKey: decodeKey(raw.clientKey, 'approval.clientKey'),
    clientSignature: decodeBase64(raw.clientSignature, 'approval.clientSignature'),
    expiresAt: new Date(raw.expiresAt),
    approvals: approvals.map(({ key, signature }) => ({
      key: decodeKey(key, 'approval.approvals'),
      signature: decodeBase64(signature, 'approval.approvals'),
    })),
  }
}

function decodeKey(text: string, field: string): Buffer {
  const key = decodeBase64(text, field)
  if (key.length !== 32) throw invalidInput(field, 'must be raw Ed25519 keys of 32 bytes')
  return key
}
