/** Enrolment: the client's public keys and its proof go to the server, a certificate comes back and is checked. */
import { DomainError } from '@keyhsm/core'
import { signRecipient } from '@keyhsm/protocol'
import { formatWriterKey } from '../sealing/writer-key.js'
import type { Follower } from '../transport/follow-certificate.js'
import { openCalls } from '../transport/servers.js'
import { type Enrolment, TrusteeClient } from '../trustee-client.js'
import { makeCertificateRequest } from './certificate-request.js'
import { checkIssuedCertificate } from './client-folder.js'
import type { ClientKeys } from './client-keys.js'

/** As what to enrol, and where. */
export interface EnrolmentOrder {
  readonly server: string
  /** Name or uuid. */
  readonly organisation: string
  readonly clientName: string
  /** PEM by which the server is recognised. */
  readonly serverCertificates: string
  /** Without one an administrator approves. */
  readonly proof?: EnrolmentProof
}

/** What shows that a client may enrol; secret. */
export interface EnrolmentProof {
  /** The organisation's auth secret. */
  readonly auth?: string
  /** One-time code of a client that lost its keys. */
  readonly code?: string
}

/**
 * Asks for a certificate. Asking again with the same keys gives the same client.
 * @throws what the server refuses with; ERR_UNAVAILABLE when what it issued does not fit.
 */
export async function enrolClient(
  order: EnrolmentOrder,
  keys: ClientKeys,
  follower?: Follower,
): Promise<Enrolment> {
  const { server: url, serverCertificates } = order
  const transport = openCalls({ url, tls: { ca: [serverCertificates] }, follower })
  try {
    const recipient = await keys.recipient()
    const enrolment = await new TrusteeClient(transport).enrol({
      organisation: order.organisation,
      ...order.proof,
      clientName: order.clientName,
      certificateRequest: await makeCertificateRequest(keys.tlsKey, order.clientName),
      identityKey: formatWriterKey(keys.identityKey),
      recipient,
      recipientSignature: signRecipient(recipient, keys.identityKey).toString('base64'),
    })
    checkEnrolment(enrolment, keys)
    return enrolment
  } finally {
    await transport.destroy()
  }
}

function checkEnrolment(enrolment: Enrolment, keys: ClientKeys): void {
  if (enrolment.state === 'waiting') return
  if (enrolment.certificate === undefined)
    throw new DomainError('ERR_UNAVAILABLE', 'the server issued no certificate')
  checkIssuedCertificate(enrolment.certificate, enrolment.authority, keys.tlsKey)
}
