import { X509Certificate } from 'node:crypto'
import { fingerprintOf, type PartitionDescription } from '@keyhsm/client'
import { makeAuthority, makeSelfSigned } from '@keyhsm/service'
import { expect, test } from 'vitest'
import { followKeyHsm, pinsOf } from '../../src/sealing/follow-key-hsm.js'
import type { Joined } from '../../src/sealing/join-file.js'

const make = async () =>
  (await makeSelfSigned({ commonName: 'hsm', subjectAltNames: [], days: 9, usage: 'server' }))
    .certificate
const print = (pem: string) => fingerprintOf(new X509Certificate(pem))
const says = (inUse: string, next?: string) =>
  ({
    certificateFingerprint: print(inUse),
    nextCertificate: next,
    scope: 'deposit',
  }) as unknown as PartitionDescription

test('an announced certificate is accepted besides, and alone when it is in use', async () => {
  const [old, next] = [await make(), await make()]
  const joined = { serverCertificate: old, scope: 'deposit' } as Joined
  expect(followKeyHsm(joined, says(old))).toBeUndefined()
  const both = followKeyHsm(joined, says(old, next))
  expect(both && pinsOf(both)).toEqual([print(old), print(next)])
  expect(both && followKeyHsm(both, says(old, next))).toBeUndefined()
  const after = both && followKeyHsm(both, says(next))
  expect(after && pinsOf(after)).toEqual([print(next)])
})

test('another announcement takes the place of the one before; what is no certificate of a server changes nothing', async () => {
  const [old, next, third] = [await make(), await make(), await make()]
  const both = followKeyHsm(
    { serverCertificate: old, scope: 'deposit' } as Joined,
    says(old, next),
  ) as Joined
  expect(pinsOf(followKeyHsm(both, says(old, third)) as Joined)).toEqual([print(old), print(third)])
  const authority = (await makeAuthority({ commonName: 'ca', days: 9 })).certificate
  for (const bad of ['x', authority]) {
    expect(followKeyHsm(both, says(old, bad))).toBeUndefined()
  }
})

test('another scope is recorded, also together with a certificate', async () => {
  const [old, next] = [await make(), await make()]
  const joined = { serverCertificate: old, scope: 'service' } as Joined
  expect(followKeyHsm(joined, says(old))).toEqual({ ...joined, scope: 'deposit' })
  const both = followKeyHsm(joined, says(old, next))
  expect([both?.scope, both && pinsOf(both)]).toEqual(['deposit', [print(old), print(next)]])
})
