import { DomainError } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { findReaders } from '../../src/index.js'
import type { LocalClient } from '../../src/identity/client-folder.js'
import type { Peer } from '../../src/peers/peers.js'
import { findReadersOfPut } from '../../src/sealing/as-client.js'
import type { Deposit, TrusteeClient } from '../../src/trustee-client.js'

const peers = ['own', 'reader', 'trustee'].map(
  (uuid) => ({ uuid, name: uuid, identityKey: `key of ${uuid}` }) as unknown as Peer,
)
const ops = { uuid: 'of ops', name: 'ops' } as unknown as NonNullable<
  Awaited<ReturnType<TrusteeClient['peers']>>['group']
>
const trustee = { peers: () => Promise.resolve({ clients: peers, group: ops }) }
const client = { settings: { client: 'own' } } as LocalClient
const names = async (trustees?: readonly string[]) =>
  (await findReaders(trustee, client, { groups: ['ops'] }, trustees)).map(({ name }) => name)

test('readers are all whom a policy names but oneself, and but trustees, however these are named', async () => {
  expect(await names()).toEqual(['reader', 'trustee'])
  expect(await names(['trustee'])).toEqual(['reader'])
  expect(await names(['key of trustee'])).toEqual(['reader'])
})

test('whoever a stored policy names and is not active any more is passed over; a name is not', async () => {
  const [gone, there] = ['6f9619ff-8b86-4d01-b42d-00cf4fc964f0', 'reader']
  const server = {
    peers: (ref: string) =>
      ref === there
        ? Promise.resolve({ clients: peers.slice(1, 2) })
        : Promise.reject(new DomainError('ERR_NOT_FOUND', 'no such client')),
  }
  const found = await findReaders(server, client, { clients: [gone, there], groups: [gone] })
  expect(found.map(({ name }) => name)).toEqual(['reader'])
  await expect(findReaders(server, client, { clients: ['mistyped'] })).rejects.toMatchObject({
    code: 'ERR_NOT_FOUND',
  })
})

test('a put is sealed for the readers that it names, else for those whom the deposit has', async () => {
  const present = {
    policy: { clients: ['reader'] },
    trustees: { required: 1, clients: ['trustee'] },
  }
  const asked: string[] = []
  const server = {
    peers: (name: string) =>
      Promise.resolve(
        name === 'ops'
          ? { clients: peers, group: ops }
          : { clients: peers.filter((one) => one.uuid === name) },
      ),
    find: (handle: string) => {
      asked.push(handle)
      return Promise.resolve(handle === 'there' ? (present as unknown as Deposit) : undefined)
    },
  }
  const of = async (put: Parameters<typeof findReadersOfPut>[2]) =>
    (await findReadersOfPut(server, client, put)).map(({ name }) => name)
  expect(await of({ handle: 'there' })).toEqual(['reader'])
  expect(await of({ handle: 'there', policy: {} })).toEqual([])
  expect(await of({ handle: 'there', policy: { groups: ['ops'] } })).toEqual(['reader'])
  const free = { required: 0, keys: [] }
  expect(await of({ handle: 'there', policy: { groups: ['ops'] }, trustees: free })).toEqual([
    'reader',
    'trustee',
  ])
  expect(await of({ handle: 'new' })).toEqual([])
  expect(asked).toHaveLength(5)
  expect(await of({ handle: 'there', condition: 'absent' })).toEqual([])
  expect(asked).toHaveLength(5)
})
