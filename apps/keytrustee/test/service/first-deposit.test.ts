import { randomBytes } from 'node:crypto'
import { statusRoute } from '@keyhsm/protocol'
import { expect, test } from 'vitest'
import {
  addTestOrganisation,
  enrolTestClient,
  parseCertificate,
  startTestServer,
} from '../support/running-server.js'

test('the first deposit: organisation, client, put, get, list, remove over real TLS', async () => {
  const at = await startTestServer({ settings: ['keytrustee.sealing=pass-through'] })
  const { organisation, auth } = await addTestOrganisation(at)
  const { client, enrolment, pair } = await enrolTestClient(at, { organisation: 'PROD', auth })

  const certificate = parseCertificate(pair.certificate)
  expect(certificate.subjectAltName).toBe(`URI:urn:keytrustee:client:${enrolment.client}`)
  expect(await client.self()).toMatchObject({
    clientName: 'client-1',
    organisation: organisation.uuid,
    organisationName: 'PROD',
    deposits: 0,
    sealing: 'pass-through',
  })

  const content = randomBytes(100_000)
  const deposit = await client.put({ handle: 'first', content, condition: 'absent' })
  expect(deposit).toMatchObject({ revision: 1, contentBytes: 100_000, owner: enrolment.client })
  for (const ref of ['first', deposit.uuid, deposit.revisionUuid]) {
    const got = await client.get(ref)
    expect(got.content.equals(content)).toBe(true)
  }
  const listed = []
  for await (const entry of client.list()) listed.push(entry)
  expect(listed).toEqual([deposit])

  const removed = await client.remove('first')
  expect(removed.state).toBe('disabled')
  expect(Date.parse(removed.undeleteUntil ?? '') - Date.parse(removed.updatedAt)).toBe(
    30 * 86400_000,
  )
  await expect(client.get('first')).rejects.toMatchObject({ code: 'ERR_DISABLED' })
  await expect(client.put({ handle: 'first', content })).rejects.toThrow(/undelete/)

  const status = await at.admin(statusRoute)
  expect(status).toMatchObject({ healthy: true, sealing: 'pass-through', deposits: 0 })
})
