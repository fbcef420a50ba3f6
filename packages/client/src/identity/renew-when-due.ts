/** A client renews its certificate on its own, long before it ends. */
import { X509Certificate } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import { enrolClient } from './enrol-client.js'
import {
  findClientSettings,
  type LocalClient,
  readLocalClient,
  writeLocalClient,
} from './client-folder.js'

/** Part of its lifetime that is left when a certificate is renewed. */
const leftWhenDue = 1 / 3

/**
 * The client in `folder`, with a new certificate for the same key when two thirds of the old one's life are over. When the
 * server cannot be asked now, the old one stays in use and the next call tries again.
 */
export async function renewWhenDue(
  folder: string,
  client: LocalClient,
  now = new Date(),
): Promise<LocalClient> {
  if (now < renewalOf(client.certificate)) return client
  return await renewClient(folder, client).catch(() => client)
}

/**
 * The client in `folder` with a new certificate for the same key, due or not; the one before may have ended.
 * @throws what enrolling throws; ERR_CONFLICT when an administrator must approve it first
 */
export async function renewClient(folder: string, client: LocalClient): Promise<LocalClient> {
  // By uuid: the organisation may have another name by now.
  const { server, organisation, clientName, serverCertificates } = client.settings
  const order = { server, organisation, clientName, serverCertificates }
  const { certificate } = await enrolClient(order, client.keys, client.follower)
  if (certificate === undefined)
    throw new DomainError(
      'ERR_CONFLICT',
      'the server issues no certificate: the client waits for approval',
    )
  const settings = (await findClientSettings(folder)) ?? client.settings
  await writeLocalClient(folder, settings, certificate)
  return await readLocalClient(folder)
}

/** When a certificate (PEM) ends. */
export function endOf(pem: string): Date {
  return new Date(new X509Certificate(pem).validTo)
}

/** From when a certificate (PEM) is due to be renewed. */
export function renewalOf(pem: string): Date {
  const { validFrom, validTo } = new X509Certificate(pem)
  const ends = new Date(validTo).getTime()
  const lifetime = ends - new Date(validFrom).getTime()
  return new Date(ends - lifetime * leftWhenDue)
}
