/** The suite's own assertions: it must run without a test framework, so that the faulty double can be put through it. */
import { inspect } from 'node:util'
import { DomainError, type ErrorCode, type SecretBytes } from '@keyhsm/core'

/** The backend breaks the contract. */
export class ConformanceFailure extends Error {
  override readonly name = 'ConformanceFailure'
}

/** @throws ConformanceFailure with `what` unless `holds`. */
export function ensure(holds: boolean, what: string): asserts holds {
  if (!holds) throw new ConformanceFailure(what)
}

/** @throws ConformanceFailure unless both are the same string, number or undefined. */
export function ensureEqual(
  seen: string | number | boolean | undefined,
  expected: string | number | boolean | undefined,
  what: string,
): void {
  ensure(seen === expected, `${what}: expected ${inspect(expected)}, saw ${inspect(seen)}`)
}

/** Compares without printing either. */
export function ensureSameSecret(seen: SecretBytes, expected: SecretBytes, what: string): void {
  const same = seen.expose((a) => expected.expose((b) => a.equals(b)))
  ensure(same, `${what}: a WRONG key was returned`)
}

/** The DomainError that `call` rejects with. @throws ConformanceFailure when it resolves, or rejects with another code. */
export async function rejection(
  call: Promise<unknown>,
  codes: readonly ErrorCode[],
  what: string,
): Promise<DomainError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason ?? new Error('rejected with nothing'),
  )
  ensure(error !== undefined, `${what}: expected ${codes.join(' or ')}, but it succeeded`)
  ensure(error instanceof DomainError, `${what}: expected a DomainError, saw ${nameOf(error)}`)
  ensure(
    codes.includes(error.code),
    `${what}: expected ${codes.join(' or ')}, saw ${error.code} (${error.message})`,
  )
  return error
}

/** What `call` settles to. @throws ConformanceFailure when it has not settled after `limitMs`. */
export async function within<Result>(
  limitMs: number,
  call: Promise<Result>,
  what: string,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const failure = new ConformanceFailure(`${what}: no answer after ${limitMs} ms`)
    timer = setTimeout(() => reject(failure), limitMs)
  })
  try {
    return await Promise.race([call, late])
  } finally {
    clearTimeout(timer)
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : inspect(error)
}
