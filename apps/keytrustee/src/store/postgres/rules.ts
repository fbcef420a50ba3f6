/** What a statement that changed no row means; the in-memory store says the same. */
import { DomainError } from '@keyhsm/core'

export function notFound(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'it, or what it belongs to, is not there')
}

export function changedMeanwhile(): DomainError {
  return new DomainError('ERR_CONFLICT', 'it was changed meanwhile')
}
