/**
 * A Trustee Server for tests of the client: the real HTTPS server, certificates and routes, with deposits in memory and no
 * Key HSM behind it.
 */
import { createHash, createPublicKey, randomUUID, X509Certificate } from 'node:crypto'
import { DomainError, type Fingerprint, type Uuid } from '@keyhsm/core'
import {
  type BodyOf,
  decodeBase64,
  encodeBase64,
  describeDepositRoute,
  enrolRoute,
  getDepositRoute,
  listDepositsRoute,
  putDepositRoute,
  type ReplyOf,
  removeDepositRoute,
  selfRoute,
} from '@keyhsm/protocol'
import {
  type BoundRoute,
  bindRoute,
  type HttpServer,
  issueClientCertificate,
  type KeyedCertificate,
  makeAuthority,
  makeSelfSigned,
  parseCertificateRequest,
  publicKeyFingerprint,
  type RouteRequest,
  startHttpServer,
} from '@keyhsm/service'

type Deposit = ReplyOf<typeof getDepositRoute>['deposit']
type Enrolment = BodyOf<typeof enrolRoute>

/** One revision as the server keeps it. */
export interface Kept {
  readonly deposit: Deposit
  readonly content: Buffer
}

const organisation = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff' as Uuid
const laterOn = '2026-02-03T04:05:06.000Z'

export class TestTrustee {
  readonly auth = 'marked-auth-secret'
  /** Enrolments that arrived, oldest first. */
  readonly enrolments: Enrolment[] = []
  /** Names of operations that arrived, enrolment included. */
  readonly asked: string[] = []
  /** Newest revision last, by handle. */
  readonly deposits = new Map<string, Kept[]>()
  /** Clients by the fingerprint of their public key. */
  readonly clients = new Map<string, { uuid: Uuid; name: string; approved: boolean }>()
  /** The recovery recipient that it announces. */
  recovery: string | undefined
  /** Thrown by the next requests of clients, one each. */
  readonly faults: DomainError[] = []
  /** What the server answers instead of the deposit that was asked for. */
  readonly swaps = new Map<string, Kept>()
  /** Runs once when the named operation arrives: somebody else was faster. */
  readonly races = new Map<string, () => void>()
  url = ''
  certificate = ''
  #server: HttpServer | undefined
  #authority: KeyedCertificate | undefined

  async start(): Promise<this> {
    this.#authority = await makeAuthority({ commonName: 'test authority', days: 2 })
    const serverName = { commonName: 'trustee', subjectAltNames: ['127.0.0.1'] }
    const own = await makeSelfSigned({ ...serverName, days: 2, usage: 'server' })
    this.certificate = own.certificate
    this.#server = await startHttpServer({
      listen: { host: '127.0.0.1', port: 0 },
      tls: {
        key: own.privateKey,
        cert: own.certificate,
        rejectUnauthorized: false,
        trustedCertificates: [this.#authority.certificate],
      },
      routes: this.#routes(),
      identify: ({ certificate }) => this.#identify(certificate),
      onError: () => {},
    })
    const { address } = this.#server
    this.url = `https://127.0.0.1:${'port' in address ? address.port : 0}`
    return this
  }

  async stop(): Promise<void> {
    await this.#server?.close()
  }

  get fingerprint(): string {
    return new X509Certificate(this.certificate).fingerprint256
  }

  #identify(certificate: X509Certificate | undefined) {
    if (!certificate) return undefined
    const fingerprint = publicKeyFingerprint(certificate)
    const client = this.clients.get(fingerprint)
    return client && { kind: 'client' as const, name: client.name, fingerprint }
  }

  #routes(): BoundRoute[] {
    return [
      bindRoute(enrolRoute, ({ body }) => this.#enrol(body)),
      bindRoute(selfRoute, async ({ identity }) => this.#self(String(identity?.fingerprint))),
      bindRoute(putDepositRoute, async (request) => this.#put(request)),
      bindRoute(getDepositRoute, async ({ params }) => this.#get(params.ref)),
      bindRoute(describeDepositRoute, async ({ params }) => this.#describe(params.ref)),
      bindRoute(listDepositsRoute, async ({ query }) => this.#list(query)),
      bindRoute(removeDepositRoute, async ({ params }) => this.#remove(params.ref)),
    ]
  }

  #arrived(operation: string): void {
    this.asked.push(operation)
    this.races.get(operation)?.()
    this.races.delete(operation)
    const fault = this.faults.shift()
    if (fault) throw fault
  }

  async #enrol(body: Enrolment): Promise<ReplyOf<typeof enrolRoute>> {
    this.#arrived('enrol')
    this.enrolments.push(body)
    const { publicKeyDer } = await parseCertificateRequest(body.certificateRequest)
    const fingerprint = fingerprintOfKey(publicKeyDer)
    const ours = ['org', organisation].includes(body.organisation)
    if (!ours || (body.auth !== undefined && body.auth !== this.auth))
      throw new DomainError('ERR_NOT_ALLOWED', 'organisation or auth secret is wrong')
    const known = this.clients.get(fingerprint) ?? {
      uuid: randomUUID() as Uuid,
      name: body.clientName,
      approved: body.auth !== undefined || body.code !== undefined,
    }
    this.clients.set(fingerprint, known)
    const authority = this.#authority as KeyedCertificate
    const issued = { authority, publicKeyDer, commonName: body.clientName, days: 1 }
    return {
      client: known.uuid,
      organisation,
      authority: authority.certificate,
      ...(known.approved
        ? {
            state: 'active' as const,
            certificate: await issueClientCertificate(issued),
            ...this.#announced(),
          }
        : { state: 'waiting' as const }),
    }
  }

  #self(fingerprint: string): ReplyOf<typeof selfRoute> {
    this.#arrived('self')
    const client = this.clients.get(fingerprint)
    return {
      client: client?.uuid ?? '',
      clientName: client?.name ?? '',
      organisation,
      organisationName: 'org',
      deposits: this.deposits.size,
      sealing: 'pass-through',
      certificateExpiresAt: laterOn,
      ...this.#announced(),
    }
  }

  #announced(): { readonly recovery?: string } {
    return this.recovery === undefined ? {} : { recovery: this.recovery }
  }

  #put({ params, body, headers }: RouteRequest<typeof putDepositRoute>): Deposit {
    this.#arrived('put')
    const { handle } = params
    const revisions = this.deposits.get(handle) ?? []
    const newest = revisions.at(-1)
    if (headers['if-none-match'] === '*' && newest)
      throw new DomainError('ERR_ALREADY_EXISTS', 'the handle is taken')
    const wanted = headers['if-match']
    if (wanted !== undefined && wanted !== `"${newest?.deposit.revision}"`)
      throw new DomainError('ERR_CONFLICT', 'the deposit has another revision now')
    const content = decodeBase64(body.content, 'content')
    const deposit: Deposit = {
      uuid: newest?.deposit.uuid ?? randomUUID(),
      handle,
      organisation,
      owner: organisation,
      state: 'active',
      revision: revisions.length + 1,
      revisionUuid: randomUUID(),
      contentBytes: content.length,
      sealing: 'pass-through',
      createdAt: laterOn,
      updatedAt: laterOn,
    }
    this.deposits.set(handle, [...revisions, { deposit, content }])
    return deposit
  }

  #get(ref: string): ReplyOf<typeof getDepositRoute> {
    this.#arrived('get')
    const { deposit, content } = this.swaps.get(ref) ?? this.#find(ref)
    return { deposit, revision: deposit.revision, content: encodeBase64(content) }
  }

  #describe(ref: string): Deposit {
    this.#arrived('describe')
    return this.#find(ref).deposit
  }

  #find(ref: string): Kept {
    const all = [...this.deposits.values()].flat().reverse()
    const names = ({ deposit }: Kept) => [deposit.handle, deposit.uuid, deposit.revisionUuid]
    const kept = all.find((one) => names(one).includes(ref))
    if (!kept) throw new DomainError('ERR_NOT_FOUND', 'there is no such deposit')
    return kept
  }

  #list(query: { after?: string; limit?: number }): ReplyOf<typeof listDepositsRoute> {
    this.#arrived('list')
    const handles = [...this.deposits.keys()].sort().filter((name) => name > (query.after ?? ''))
    const page = handles.slice(0, Math.min(query.limit ?? 2, 2))
    const next = handles.length > page.length ? page.at(-1) : undefined
    const deposits = page.map((name) => this.#find(name).deposit)
    return { deposits, ...(next === undefined ? {} : { next }) }
  }

  #remove(ref: string): Deposit {
    this.#arrived('remove')
    return { ...this.#find(ref).deposit, state: 'disabled', undeleteUntil: laterOn }
  }
}

function fingerprintOfKey(publicKeyDer: Buffer): Fingerprint {
  createPublicKey({ key: publicKeyDer, type: 'spki', format: 'der' })
  return createHash('sha256').update(publicKeyDer).digest('hex') as Fingerprint
}
