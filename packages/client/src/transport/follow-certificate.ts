/**
 * A pinned server that shows another certificate: does the pinned one vouch for it? Asked of the server itself, without trusting
 * it and without sending anything of ours: each statement of the answer proves itself.
 */
import type { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { followSuccessions, parseSuccessions, successionsRoute } from '@keyhsm/protocol'
import { readBody } from './read-body.js'
import { splitPem } from './server-check.js'

/** What a client does with pins that it found. */
export interface Follower {
  /** PEM texts to pin from now on, besides those before. */
  remember(certificates: readonly string[]): Promise<void>
}

const timeoutMs = 5_000
/** Each of at most 32 statements is shorter than 20 KiB. */
const maxReplyBytes = 640 * 1024

/**
 * PEM texts to pin besides `ca`, so that the certificate that `origin` shows now is among them; undefined when none of the pinned
 * ones leads to it. Never throws.
 */
export async function findSuccessors(
  origin: string,
  ca: readonly string[],
): Promise<readonly string[] | undefined> {
  try {
    const pinned = ca.flatMap((pem) => splitPem(pem, 'ca')).filter((certificate) => !certificate.ca)
    if (pinned.length === 0) return undefined
    const { shown, body } = await ask(origin)
    const successions = parseSuccessions(body) ?? []
    const known = followSuccessions(pinned, successions)
    if (!known.some(({ raw }) => raw.equals(shown.raw))) return undefined
    return known.slice(pinned.length).map((certificate) => certificate.toString())
  } catch {
    return undefined
  }
}

/** The certificate and the statements over one connection: both are the same server's. */
function ask(origin: string): Promise<{ readonly shown: X509Certificate; readonly body: string }> {
  const { hostname, port } = new URL(origin)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const asked = request({
      host,
      port: port === '' ? 443 : Number(port),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      path: successionsRoute.path,
      agent: false,
      minVersion: 'TLSv1.2',
      // Looking is not trusting: what this returns counts only as far as pinned keys signed it.
      rejectUnauthorized: false,
      signal: AbortSignal.timeout(timeoutMs),
    })
    asked.once('error', reject)
    asked.once('response', (response) => {
      const shown = (response.socket as TLSSocket).getPeerX509Certificate()
      const answer = (body: Buffer) => {
        if (shown && response.statusCode === 200) resolve({ shown, body: body.toString('utf8') })
        else reject(new Error('no answer'))
      }
      readBody(asked, response, maxReplyBytes).then(answer, reject)
    })
    asked.end()
  })
}
