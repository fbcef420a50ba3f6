/** Registration: the server is recognised, keys are made, a certificate is fetched, and the folder remembers it all. */
import { DomainError, type Fingerprint, invalidInput, parseUuid } from '@keyhsm/core'
import { fingerprintOfRecipient } from '../sealing/recovery.js'
import type { Enrolment } from '../trustee-client.js'
import { findClientSettings, writeLocalClient } from './client-folder.js'
import { makeClientKeys } from './client-keys.js'
import type { ClientSettings } from './client-settings.js'
import { type EnrolmentProof, enrolClient } from './enrol-client.js'

export interface Registration {
  /** Absent: what an earlier call in this folder said, which then waits for approval. */
  readonly server: string | undefined
  readonly organisationName: string | undefined
  readonly clientName: string | undefined
  /** What a registration without any name is called. */
  readonly defaultName: () => string
  /** The recovery recipient that the organisation must announce; it is pinned. */
  readonly recoveryFingerprint: Fingerprint | undefined
  /** Asked for once it is known where to. */
  readonly findProof: () => EnrolmentProof
  /** PEM to pin the server by, decided before anything secret is sent. */
  readonly recognise: (url: string, pinned: string | undefined) => Promise<string>
}

export interface Registered {
  readonly settings: ClientSettings
  /** The recovery recipient as the server announces it. */
  readonly announced: string | undefined
}

/**
 * Registers the client in `folder`, or finishes a registration that waits. Repeating it with the same keys is harmless.
 * @throws ERR_ALREADY_EXISTS when an active client is there; ERR_INVALID_INPUT; ERR_INTEGRITY when the server announces another
 * recovery recipient: nothing is stored then; what recognising and enrolling throw.
 */
export async function registerClient(folder: string, wish: Registration): Promise<Registered> {
  const earlier = await findClientSettings(folder)
  if (earlier?.state === 'active') throw alreadyRegistered(earlier)
  const at = placeOf(wish, earlier)
  const proof = wish.findProof()
  const pinned = earlier?.server === at.server ? earlier.serverCertificates : undefined
  const serverCertificates = await wish.recognise(at.server, pinned)
  const order = { ...at, organisation: at.organisationName, serverCertificates, proof }
  const enrolment = await enrolClient(order, await makeClientKeys(folder))
  const recovery = pinOf(enrolment, wish.recoveryFingerprint) ?? earlier?.recovery
  const settings: ClientSettings = {
    ...earlier,
    version: 1,
    ...at,
    serverCertificates,
    organisation: parseUuid(enrolment.organisation),
    client: parseUuid(enrolment.client),
    state: enrolment.state,
    ...(recovery === undefined ? {} : { recovery }),
  }
  await writeLocalClient(folder, settings, enrolment.certificate)
  return { settings, announced: enrolment.recovery }
}

function placeOf(wish: Registration, earlier: ClientSettings | undefined) {
  const server = wish.server ?? earlier?.server
  const organisationName = wish.organisationName ?? earlier?.organisationName
  if (server === undefined) throw invalidInput('--server', 'is required')
  if (organisationName === undefined) throw invalidInput('--org', 'is required')
  const clientName = wish.clientName ?? earlier?.clientName ?? wish.defaultName()
  return { server, organisationName, clientName }
}

/** The announced recipient, if it is the one that was asked for. A client that waits is told none yet. */
function pinOf(
  { state, recovery }: Enrolment,
  expected: Fingerprint | undefined,
): string | undefined {
  if (expected === undefined || state === 'waiting') return undefined
  if (recovery !== undefined && fingerprintOfRecipient(recovery) === expected) return recovery
  throw anotherRecovery(recovery)
}

/** The server announces another recovery recipient than the one whose fingerprint was given, or none. */
export function anotherRecovery(announced: string | undefined): DomainError {
  return new DomainError(
    'ERR_INTEGRITY',
    announced === undefined
      ? 'the organisation has no recovery recipient'
      : 'the server announces another recovery recipient: it was not accepted',
    announced === undefined
      ? {}
      : { hints: [`it announces SHA-256 ${fingerprintOfRecipient(announced)}`] },
  )
}

function alreadyRegistered({ clientName, server }: ClientSettings): DomainError {
  return new DomainError(
    'ERR_ALREADY_EXISTS',
    `this machine is already registered at ${server} as ${clientName}`,
    {
      hints: [
        'use another --home DIR for a second client; `keytrustee status` shows this one',
        'a client that lost its keys: move its folder client/ away first, its age.key may still open content',
      ],
    },
  )
}
