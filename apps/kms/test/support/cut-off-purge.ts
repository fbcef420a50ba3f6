import { DomainError } from '@keyhsm/core'
import { expect } from 'vitest'
import type { TestKms } from './test-kms.js'

export const gone = () => Promise.reject(new DomainError('ERR_UNAVAILABLE', 'gone'))

/** A key `k` of two versions, deleted, whose purge gets as far as the mark. */
export async function cutOffPurge({ ask, vault }: TestKms): Promise<void> {
  const post = (path: string, body: object = {}) =>
    ask(path, { method: 'POST', user: 'alice', body })
  await post('/v1/keys', { name: 'k' })
  await post('/v1/key/k')
  await ask('/v1/key/k', { method: 'DELETE', user: 'alice' })
  const purge = vault.purge.bind(vault)
  vault.purge = gone
  expect((await post('/v1/trustee/key/k?trusteeOp=purge')).status).toBe(503)
  vault.purge = purge
}
