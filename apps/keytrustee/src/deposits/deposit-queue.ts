/**
 * Order among writers of this process: one request id at a time (a repetition waits for the first and shares its
 * answer), and one writer a handle, so that two puts under one handle become two revisions instead of a conflict.
 * Between processes the store's own constraints decide.
 */
import { DomainError, type Fingerprint } from '@keyhsm/core'

export interface DepositQueue {
  /** @throws ERR_CONFLICT when the same id is under way with another content. */
  once<Reply>(
    request: { readonly key: string; readonly hash: Fingerprint },
    work: () => Promise<Reply>,
  ): Promise<Reply>
  /** Runs `work` when no other holds one of `keys`. */
  withKeys<Reply>(keys: readonly string[], work: () => Promise<Reply>): Promise<Reply>
  /** Resolves when every request that is under way now has ended. */
  settled(): Promise<void>
}

interface UnderWay {
  readonly hash: Fingerprint
  readonly answer: Promise<unknown>
}

export function createDepositQueue(): DepositQueue {
  const requests = new Map<string, UnderWay>()
  const tails = new Map<string, Promise<unknown>>()
  return {
    async once<Reply>(
      { key, hash }: { readonly key: string; readonly hash: Fingerprint },
      work: () => Promise<Reply>,
    ): Promise<Reply> {
      const first = requests.get(key)
      if (first && first.hash !== hash) throw otherContent()
      if (first) return first.answer as Promise<Reply>
      const answer = work().finally(() => requests.delete(key))
      requests.set(key, { hash, answer })
      return answer
    },

    async withKeys<Reply>(keys: readonly string[], work: () => Promise<Reply>): Promise<Reply> {
      // All keys are queued for in one step, so that two batches can never wait for each other.
      const before = [...new Set(keys)].map((key) => tails.get(key) ?? Promise.resolve())
      const done = Promise.all(before).then(() => work())
      const tail = done.then(
        () => undefined,
        () => undefined,
      )
      for (const key of keys) tails.set(key, tail)
      try {
        return await done
      } finally {
        for (const key of keys) if (tails.get(key) === tail) tails.delete(key)
      }
    },

    async settled() {
      await Promise.allSettled([...requests.values()].map(({ answer }) => answer))
    },
  }
}

export function otherContent(): DomainError {
  return new DomainError('ERR_CONFLICT', 'this request id was used for another request')
}
