import { describe, expect, it } from 'vitest'
import { methodsOf } from '../../src/http/paths.js'
import { answering } from '../support/server.js'

const route = (method: 'GET' | 'PUT' | 'DELETE', path: string) =>
  answering({ method, path }, async () => ({}))
const routes = [
  route('PUT', '/v1/deposits/:handle'),
  route('GET', '/v1/deposits/:ref'),
  route('DELETE', '/v1/deposits/:ref'),
  route('GET', '/v1/deposits'),
  route('GET', '/'),
]

describe('methodsOf', () => {
  it.each([
    ['/v1/deposits/x?y=/z', ['DELETE', 'GET', 'PUT']],
    ['/v1/deposits', ['GET']],
    ['/?a=fingerprint', ['GET']],
    ['/v1/deposits/x/y', []],
    ['/v1', []],
    ['', []],
    ['*', []],
  ])('of %s', (target, methods) => {
    expect(methodsOf(routes, target)).toEqual(methods)
  })
})
