/** `ktadmin join`: a home that is one more server of an installation, made with one request to a server that is. */
import { hostname } from 'node:os'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import {
  decryptStream,
  fetchServerCertificate,
  findRecipient,
  fingerprintOf,
  makeAgeIdentity,
  Transport,
} from '@keyhsm/client'
import { DomainError, newUuid } from '@keyhsm/core'
import { admitNodeRoute, decodeBase64 } from '@keyhsm/protocol'
import { changeSettings } from '../backup/configuration-files.js'
import { readOptionalText } from '../files.js'
import { initialise, type Initialised, type InitialiseOptions } from '../initialise.js'
import type { Paths } from '../paths.js'
import type { JoinToken } from './join-tokens.js'
import { parseNodeBundle, writeNodeFiles } from './node-bundle.js'

export interface JoinWish extends InitialiseOptions {
  readonly server: string
  readonly token: JoinToken
}

/**
 * @throws ERR_ALREADY_EXISTS when the home belongs to an installation; ERR_INVALID_INPUT when the server is not the one that
 * made the token: nothing was sent then; ERR_NOT_AUTHENTICATED for a used token
 */
export async function joinInstallation(paths: Paths, o: JoinWish): Promise<Initialised> {
  if ((await readOptionalText(paths.grantKey)) !== undefined)
    throw new DomainError('ERR_ALREADY_EXISTS', 'this home belongs to an installation already', {
      hints: ['join with another --home DIR, or move this one away first'],
    })
  const bundle = parseNodeBundle(await fetchBundle(o))
  await writeNodeFiles(paths, bundle)
  const initialised = await initialise(paths, o)
  await changeSettings(paths, bundle.settings)
  return initialised
}

async function fetchBundle({ server, token }: JoinWish): Promise<string> {
  const certificate = await fetchServerCertificate(server)
  if (fingerprintOf(certificate) !== token.serverFingerprint)
    throw new DomainError(
      'ERR_INVALID_INPUT',
      `${server} is not the server that made the token: nothing was sent to it`,
      { hints: [`expected ${token.serverFingerprint}`, `it shows ${fingerprintOf(certificate)}`] },
    )
  const identity = await makeAgeIdentity()
  const recipient = await findRecipient(identity)
  if (recipient === undefined) throw new Error('a fresh identity has no recipient')
  const tls = { ca: [certificate.toString()], pinnedFingerprint: token.serverFingerprint }
  const transport = new Transport({ url: server, tls })
  try {
    const { token: id, secret } = token
    const body = { requestId: newUuid(), token: id, secret, name: hostname(), recipient }
    const reply = await transport.call(admitNodeRoute, { body })
    const sealed = Readable.from([decodeBase64(reply.bundle, 'bundle')])
    return (await buffer(await decryptStream(sealed, { identity }))).toString('utf8')
  } finally {
    await transport.destroy()
  }
}
