/** Rows for tests: complete, plausible and distinct; pass what matters to the test. */
import { createHash, randomBytes } from 'node:crypto'
import { type Fingerprint, type Handle, type HsmKeyId, newUuid, type Uuid } from '@keyhsm/core'
import type {
  Client,
  Deposit,
  Organisation,
  PendingPut,
  PutFacts,
  Reader,
  RequestResult,
  Revision,
  Store,
} from '../../src/store/store.js'

export const noon = new Date('2026-03-04T12:00:00.000Z')

export function minutesAfter(instant: Date, minutes: number): Date {
  return new Date(instant.getTime() + minutes * 60_000)
}

export function fingerprintOf(text: string): Fingerprint {
  return createHash('sha256').update(text).digest('hex') as Fingerprint
}

export function newHsmKeyId(): HsmKeyId {
  return randomBytes(16).toString('hex') as HsmKeyId
}

let counter = 0
function next(): number {
  counter += 1
  return counter
}

export function organisationRow(some: Partial<Organisation> = {}): Organisation {
  const uuid = some.uuid ?? newUuid()
  return {
    uuid,
    name: `organisation-${next()}`,
    state: 'active',
    authHash: 'scrypt$16384$8$1$c2FsdA$aGFzaA',
    contacts: ['ops@example.org'],
    createdAt: noon,
    grant: fingerprintOf(uuid),
    ...some,
  }
}

export function clientRow(organisation: Uuid, some: Partial<Client> = {}): Client {
  const uuid = some.uuid ?? newUuid()
  return {
    uuid,
    organisation,
    name: `client-${next()}`,
    state: 'active',
    keyFingerprint: fingerprintOf(`key of ${uuid}`),
    identityKey: 'MCowBQYDK2VwAyEA',
    recipient: 'age1example',
    createdAt: noon,
    grant: fingerprintOf(uuid),
    ...some,
  }
}

export function depositRow(owner: Client, some: Partial<Deposit> = {}): Deposit {
  const uuid = some.uuid ?? newUuid()
  return {
    uuid,
    organisation: owner.organisation,
    owner: owner.uuid,
    handle: `handle-${next()}` as Handle,
    state: 'active',
    revision: 1,
    createdAt: noon,
    updatedAt: noon,
    undeleteUntil: undefined,
    grant: fingerprintOf(uuid),
    ...some,
  }
}

export function revisionRow(deposit: Deposit, some: Partial<Revision> = {}): Revision {
  return {
    uuid: newUuid(),
    deposit: deposit.uuid,
    revision: deposit.revision,
    sealing: 'hsm',
    stored: Buffer.from([0, 1, 2, 255, 0, deposit.revision]),
    contentBytes: 6,
    hsmKeyId: newHsmKeyId(),
    hsmKeyLabel: `${deposit.handle}-aaaa-bbbb-2026-03-04`,
    scope: 'deposit',
    kind: 'ec-p256',
    createdAt: noon,
    canary: fingerprintOf('canary'),
    sealedAt: noon,
    ...some,
  }
}

export function pendingPutRow(client: Client, some: Partial<PendingPut> = {}): PendingPut {
  return {
    requestId: newUuid(),
    client: client.uuid,
    organisation: client.organisation,
    deposit: newUuid(),
    handle: `handle-${next()}` as Handle,
    revision: 1,
    contentBytes: 6,
    startedAt: noon,
    ...some,
  }
}

export function requestRow(client: Client, some: Partial<RequestResult> = {}): RequestResult {
  return {
    requestId: newUuid(),
    client: client.uuid,
    requestHash: fingerprintOf('put'),
    reply: '{"stored":true}',
    createdAt: noon,
    ...some,
  }
}

/** A fresh organisation with one active client, committed. */
export async function enrol(
  store: Store,
  organisation: Organisation = organisationRow(),
): Promise<{ readonly organisation: Organisation; readonly client: Client }> {
  const client = clientRow(organisation.uuid)
  await store.withTransaction(async (transaction) => {
    if (!(await transaction.findOrganisation(organisation)))
      await transaction.insertOrganisation(organisation)
    await transaction.insertClient(client)
  })
  return { organisation, client }
}

/** A committed deposit of `owner` in its first revision. */
export async function putDeposit(
  store: Store,
  owner: Client,
  some: Partial<Deposit> = {},
): Promise<{ readonly deposit: Deposit; readonly revision: Revision }> {
  const deposit = depositRow(owner, some)
  const revision = revisionRow(deposit)
  await store.withTransaction((transaction) => transaction.insertDeposit(deposit, revision))
  return { deposit, revision }
}

/** What a put of this client would be planned with. */
export function putFactsOf(
  reader: Reader,
  { uuid: client, organisation }: Client,
  o: { readonly handles?: readonly Handle[]; readonly requestId?: Uuid } = {},
): Promise<PutFacts> {
  const { handles = [], requestId = newUuid() } = o
  return reader.findPutFacts({ requestId, client, organisation, handles, since: noon })
}

/** The answer that a request was given before. */
export async function answerOf(
  reader: Reader,
  client: Client,
  requestId: Uuid,
): Promise<RequestResult | undefined> {
  return (await putFactsOf(reader, client, { requestId })).answer
}
