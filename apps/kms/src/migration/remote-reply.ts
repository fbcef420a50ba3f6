/** Answers of a foreign KMS as values or as our errors. @see docs/protocols/hadoop-kms.md#errors */
import { DomainError, type ErrorCode } from '@keyhsm/core'

interface Reply {
  readonly status: number
  readonly reason: string
  readonly body: Buffer
}

const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'ERR_NOT_AUTHENTICATED',
  403: 'ERR_NOT_ALLOWED',
  404: 'ERR_NOT_FOUND',
}
/** A longer message is not one for people. */
const maxMessage = 300

/** @throws ERR_NOT_ALLOWED and the like in the words of the KMS; ERR_UNAVAILABLE for other statuses; ERR_INTEGRITY for no JSON. */
export function parseReply(reply: Reply): unknown {
  if (reply.status !== 200)
    throw new DomainError(codeOfStatus[reply.status] ?? 'ERR_UNAVAILABLE', describeRemote(reply))
  const value = findJson(reply.body)
  if (value === undefined)
    throw new DomainError('ERR_INTEGRITY', 'the KMS answered with something else than JSON')
  return value
}

/** `the KMS answered 403: User:bob not allowed to do …` */
export function describeRemote({ status, reason, body }: Reply): string {
  const value = findJson(body) as
    | { readonly RemoteException?: { readonly message?: unknown } }
    | undefined
  const message = value?.RemoteException?.message
  const words = typeof message === 'string' && message !== '' ? message : reason
  return `the KMS answered ${status}: ${words.slice(0, maxMessage)}`
}

function findJson(body: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return value
  } catch {
    return undefined
  }
}
