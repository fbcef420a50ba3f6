import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { signRetrieval } from '@keyhsm/protocol'
import { expect, test } from 'vitest'
import type { LocalClient } from '../../src/identity/client-folder.js'
import type { Pin } from '../../src/identity/client-settings.js'
import { approveRequest, type RetrievalRequest } from '../../src/peers/approve-request.js'
import { formatWriterKey, rawWriterKey } from '../../src/sealing/writer-key.js'
import type { TrusteeClient } from '../../src/trustee-client.js'

const makeClient = (name: string) => {
  const { privateKey } = generateKeyPairSync('ed25519')
  return { uuid: randomUUID(), name, privateKey, identityKey: formatWriterKey(privateKey) }
}
const [bert, carl] = [makeClient('bert'), makeClient('carl')]
const pinOf = ({ uuid, name, identityKey }: typeof bert): Pin => ({ uuid, name, identityKey })

/** As the server shows it: in the name of `shown`, signed by `asker`. */
function requestOf(shown: { uuid: string; name: string }, asker: typeof bert): RetrievalRequest {
  const clientKey = rawWriterKey(asker.privateKey)
  const ids = { organisation: randomUUID(), deposit: randomUUID(), revision: 1 }
  const expiresAt = new Date('2030-01-01T00:00:00Z')
  const request = randomUUID()
  const statement = { ...ids, client: shown.uuid, clientKey, request, expiresAt }
  const signature = signRetrieval(statement as never, 'request', asker.privateKey)
  return {
    ...ids,
    uuid: request,
    client: shown.uuid,
    clientName: shown.name,
    clientKey: clientKey.toString('base64'),
    clientSignature: signature.toString('base64'),
    expiresAt: expiresAt.toISOString(),
  } as unknown as RetrievalRequest
}

async function approve(request: RetrievalRequest, peers: readonly Pin[]): Promise<unknown> {
  const said: unknown[] = []
  const trustee = {
    giveVerdict: (...args: unknown[]) => {
      said.push(args.slice(0, 2))
      return Promise.resolve(request)
    },
  } as unknown as TrusteeClient
  const keys = { identityKey: generateKeyPairSync('ed25519').privateKey }
  await approveRequest(trustee, { keys, settings: { peers } } as unknown as LocalClient, request)
  return said
}

test('a request of a client is approved as it was pinned, or where nothing is pinned of it', async () => {
  const request = requestOf(bert, bert)
  for (const pins of [[pinOf(bert), pinOf(carl)], [pinOf(carl)], []])
    expect(await approve(request, pins)).toEqual([[request.uuid, 'approve']])
})

test.each([
  ['of another client in the name of a pinned one', requestOf(bert, carl), [pinOf(bert)]],
  ['of a pinned client in the name of another', requestOf(bert, carl), [pinOf(carl)]],
  [
    'of a pinned client under another uuid',
    requestOf({ ...bert, uuid: randomUUID() }, bert),
    [pinOf(bert)],
  ],
])('a request %s is not approved', async (_what, request, pins) => {
  await expect(approve(request, pins)).rejects.toMatchObject({
    code: 'ERR_INTEGRITY',
    message: expect.stringContaining('was pinned for') as string,
  })
})

test('a request that its client has not signed is not approved', async () => {
  const request = { ...requestOf(bert, bert), clientKey: rawWriterKey(carl.privateKey) }
  const shown = { ...request, clientKey: request.clientKey.toString('base64') }
  await expect(approve(shown, [])).rejects.toMatchObject({
    message: 'the request is not signed by the client that it names',
  })
})
