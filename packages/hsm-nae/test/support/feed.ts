import { ByteQueue } from '../../src/wire/byte-queue.js'

/** Feeds `bytes` to `read` in pieces of these lengths, the rest at once; what it returned, and what it left. */
export function feed<Result>(
  bytes: Buffer,
  cuts: readonly number[],
  read: (queue: ByteQueue) => Result | undefined,
): { result: Result | undefined; left: Buffer } {
  const queue = new ByteQueue()
  let at = 0
  let result: Result | undefined
  for (const length of [...cuts, bytes.length]) {
    queue.append(bytes.subarray(at, at + length))
    at = Math.min(bytes.length, at + length)
    result ??= read(queue)
  }
  return { result, left: queue.take(queue.length) }
}
