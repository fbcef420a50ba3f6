import { expiryWarnings, makeSelfSigned } from '@keyhsm/service'
import { expect, test } from 'vitest'
import { careOfKms } from '../src/care.js'

const dayMs = 86_400_000

test('both certificates of a KMS are warned of 60, 30 and 7 days ahead and at their end, each with its cure', async () => {
  const pair = await makeSelfSigned({
    commonName: 'kms',
    subjectAltNames: [],
    days: 100,
    usage: 'server',
  })
  const { certificate: cert, privateKey: key } = pair
  const start = Date.now()
  const care = careOfKms({
    clock: { now: () => new Date(start) },
    paths: { audit: 'audit', log: 'log' },
    clientCertificate: () => cert,
    live: () => ({ tls: { cert, key, rejectUnauthorized: false, trustedCertificates: [] } }),
  })
  const at = (day: number) =>
    expiryWarnings(care.certificates(), new Date(start + day * dayMs)).map(({ text }) => text)
  expect(at(39)).toEqual([])
  for (const [day, left] of [
    [41, '5[89]'],
    [71, '2[89]'],
    [94, '[56]'],
  ] as const) {
    const [server, client] = at(day)
    expect(server).toMatch(
      new RegExp(
        `of the KMS expires in ${left} days, .*keytrustee-kms cert renew --server, or reload`,
      ),
    )
    expect(client).toMatch(
      new RegExp(
        `shown to the Trustee Server expires in ${left} days, .*keytrustee-kms cert renew`,
      ),
    )
  }
  expect(at(101)).toEqual([
    expect.stringContaining('Hadoop refuses it'),
    expect.stringContaining('the Trustee Server refuses this KMS'),
  ])
})
