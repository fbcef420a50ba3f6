import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Fingerprint, type HsmKeyId, newUuid, SecretBytes } from '@keyhsm/core'
import { parseSealed } from '@keyhsm/envelope'
import { describe, expect, test } from 'vitest'
import { formerGrant, formerKey, readSealedKeys } from '../../src/deposits/sealed-keys.js'
import { openGrants } from '../../src/grants.js'
import type { Revision } from '../../src/store/store.js'
import {
  clientRow,
  depositRow,
  newHsmKeyId,
  organisationRow,
  revisionRow,
} from '../support/rows.js'

const vectors = JSON.parse(
  readFileSync('packages/envelope/test/vectors/sealed-deposit-v1.json', 'utf8'),
) as readonly { name: string; sealed: string }[]
const sealed = (name: string) =>
  Buffer.from(vectors.find((vector) => vector.name.includes(name))?.sealed ?? '', 'hex')
const deposit = depositRow(clientRow(organisationRow().uuid))

function keysOf(...some: Partial<Revision>[]) {
  const revisions = some.map((one, index) => revisionRow(deposit, { revision: index + 1, ...one }))
  const findRevision = async (_: string, revision: number) => revisions[revision - 1]
  return readSealedKeys({ findRevision }, deposit.uuid, revisions)
}

describe('readSealedKeys', () => {
  const own = sealed('scope deposit')
  const id = parseSealed(own).header.hsmKeyId
  const foreign = newHsmKeyId()

  test('believes the sealed header, not the columns beside it', async () => {
    const forged = { stored: own, hsmKeyId: foreign, scope: 'deposit' } as const
    expect(await keysOf(forged)).toMatchObject({ hsmKeyIds: [id], sharedRevisions: 0 })
    const hidden = { stored: own, hsmKeyId: foreign, scope: 'service' } as const
    expect(await keysOf(hidden)).toMatchObject({ hsmKeyIds: [id], sharedRevisions: 0 })
  })

  test('counts what shares its key, or has none, and takes each key once', async () => {
    const shared = { stored: sealed('scope service'), scope: 'deposit' } as const
    const plain = { sealing: 'pass-through', hsmKeyId: undefined, scope: undefined } as const
    expect(await keysOf({ stored: own }, shared, plain, { stored: own })).toMatchObject({
      hsmKeyIds: [id],
      sharedRevisions: 2,
    })
  })

  test('takes the columns where no header can be read', async () => {
    const hsmKeyId = 'ab'.repeat(16) as HsmKeyId
    const dropped = { stored: Buffer.alloc(0), hsmKeyId, scope: 'deposit' } as const
    const torn = { ...dropped, stored: own.subarray(0, 40) }
    expect((await keysOf(dropped, torn)).hsmKeyIds).toEqual([hsmKeyId])
  })
})

test('whose key a former form has is believed with its MAC alone, and for its own revision', () => {
  const grants = openGrants(SecretBytes.own(randomBytes(32)))
  const of = { deposit: newUuid(), revision: 1 }
  const held = {
    uuid: grants.revisionUuid(of.deposit, of.revision),
    hsmKeyId: newHsmKeyId(),
    scope: 'deposit' as const,
    canary: 'ca'.repeat(32) as Fingerprint,
  }
  const row = {
    ...held,
    ...of,
    hsmKeyLabel: 'a',
    swappedBack: false,
    grant: formerGrant(grants, held),
  }
  expect(formerKey(grants, row)).toEqual({ id: held.hsmKeyId, canary: held.canary })
  const elsewhere = [{ deposit: newUuid() }, { revision: 2 }]
  for (const forged of [
    { hsmKeyId: newHsmKeyId() },
    { uuid: newUuid() },
    { grant: 'ab' },
    ...elsewhere,
  ])
    expect(formerKey(grants, { ...row, ...forged })).toBeUndefined()
  const shared = { ...row, scope: 'service' as const }
  expect(formerKey(grants, { ...shared, grant: formerGrant(grants, shared) })).toBeUndefined()
})
