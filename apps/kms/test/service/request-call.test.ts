import type { ForeignRequest } from '@keyhsm/service'
import { expect, it } from 'vitest'
import { addressOf, takeApart } from '../../src/authentication/request-parts.js'
import { RequestCall } from '../../src/service/request-call.js'

function requestOf(given: Partial<ForeignRequest>): ForeignRequest {
  return {
    method: 'GET',
    target: '/kms/v1/keys/names?a=b',
    headers: { host: 'kms.example:9600' },
    body: Buffer.from('{}'),
    peerAddress: '127.0.0.1',
    secure: false,
    signal: new AbortController().signal,
    delivered: Promise.resolve(true),
    ...given,
  }
}

function callOf(given: Partial<ForeignRequest>): RequestCall {
  const request = requestOf(given)
  return new RequestCall({
    kms: {} as RequestCall['kms'],
    caller: { user: { short: 'alice', full: 'alice' }, by: 'simple' },
    groups: [],
    parts: takeApart(request),
    request,
    name: 'k',
    requestId: 'r',
  })
}

it('tells the origin as the caller wrote it', () => {
  expect(callOf({}).origin).toBe('http://kms.example:9600')
  expect(callOf({ secure: true, headers: {} }).origin).toBe('https://localhost')
})

it('has query, body and delivery of its request, and no accessor of its own', async () => {
  const call = callOf({ delivered: Promise.resolve(false) })
  expect(call.query.get('a')).toBe('b')
  expect(call.body.toString()).toBe('{}')
  expect(await call.delivered).toBe(false)
  const own = Object.values(Object.getOwnPropertyDescriptors(call))
  expect(own.filter(({ get }) => get)).toEqual([])
})

it.each([
  ['http://kms.example:9600/kms/v1/keys/names', {}],
  ['https://[::1]:9600/kms/v1/keys/names', { secure: true, headers: { host: '[::1]:9600' } }],
  ['/kms/v1/keys/names', { headers: {} }],
  ['/kms/v1/keys/names', { headers: { host: "x' ErrorMsg:'" } }],
])('is audited as %s, without the query', (address, given) => {
  expect(addressOf(takeApart(requestOf(given)))).toBe(address)
})
