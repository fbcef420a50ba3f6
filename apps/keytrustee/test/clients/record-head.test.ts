import { expect, test } from 'vitest'
import { addTestOrganisation, enrolTestClient, startTestServer } from '../support/running-server.js'

const head = { log: 'a'.repeat(16), sequence: 7, hash: 'b'.repeat(64) }

test('a client’s head is recorded under its uuid, thirty times a minute at most; a faulty one is not', async () => {
  const at = await startTestServer({ settings: ['keytrustee.sealing=pass-through'] })
  const { auth } = await addTestOrganisation(at)
  const { client } = await enrolTestClient(at, { organisation: 'PROD', auth })
  const { client: uuid } = await client.self()
  await expect(client.recordHead({ ...head, log: 'x@y' })).rejects.toMatchObject({
    code: 'ERR_INVALID_INPUT',
  })
  for (let i = 0; i < 30; i += 1) await client.recordHead({ ...head, sequence: i })
  await expect(client.recordHead(head)).rejects.toMatchObject({ code: 'ERR_BUSY' })
  const anchors = (await at.auditLines()).filter(({ operation }) => operation === 'anchor')
  expect(anchors).toHaveLength(30)
  expect(anchors[3]).toMatchObject({
    subject: { peerService: `client/${head.log}@${uuid}`, sequence: 3, hash: head.hash },
  })
})
