import { expect, test } from 'vitest'
import { findReaders } from '../../src/index.js'
import type { LocalClient } from '../../src/identity/client-folder.js'
import type { Peer } from '../../src/peers/peers.js'

const peers = ['own', 'reader', 'trustee'].map(
  (uuid) => ({ uuid, name: uuid, identityKey: `key of ${uuid}` }) as unknown as Peer,
)
const trustee = { peers: () => Promise.resolve({ clients: peers }) }
const client = { settings: { client: 'own' } } as LocalClient
const names = async (trustees?: readonly string[]) =>
  (await findReaders(trustee, client, { groups: ['ops'] }, trustees)).map(({ name }) => name)

test('readers are all whom a policy names but oneself, and but trustees, however these are named', async () => {
  expect(await names()).toEqual(['reader', 'trustee'])
  expect(await names(['trustee'])).toEqual(['reader'])
  expect(await names(['key of trustee'])).toEqual(['reader'])
})
