import { DomainError } from '@keyhsm/core'
import type { Transaction } from './store.js'

type Verb = (...args: unknown[]) => unknown

/**
 * Lends `raw` to `work` under the rules of every store: the first failed verb spoils the transaction (PostgreSQL refuses
 * further statements, so must the double) and is thrown even when `work` caught it; a transaction that leaked out of
 * `work` cannot write any more. Resolving means that the caller may commit.
 */
export async function lendTransaction<Result>(
  raw: Transaction,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  const guard = new TransactionGuard(raw)
  try {
    const result = await work(guard.transaction)
    guard.throwFailure()
    return result
  } finally {
    guard.finished = true
  }
}

class TransactionGuard {
  finished = false
  readonly transaction: Transaction
  private failure: { readonly error: unknown } | undefined

  constructor(raw: Transaction) {
    this.transaction = new Proxy(raw, {
      get: (target, name): unknown => {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => this.call(target, member as Verb, args)
      },
    })
  }

  throwFailure(): void {
    if (this.failure) throw this.failure.error
  }

  private async call(raw: Transaction, verb: Verb, args: unknown[]): Promise<unknown> {
    if (this.finished) throw new DomainError('ERR_INTERNAL', 'the transaction is over')
    this.throwFailure()
    try {
      return await Reflect.apply(verb, raw, args)
    } catch (error) {
      this.failure ??= { error }
      throw error
    }
  }
}
