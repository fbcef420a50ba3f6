/** From nothing to a session: connect, agree on a version, log in; in this order and before anything else. */
import type { SecretBytes } from '@keyhsm/core'
import { NaeRefusal } from '../failure.js'
import { authRequest, versionRequest } from '../messages/session.js'
import type { LinkOptions, NaeNode } from '../options.js'
import { findText } from '../xml/element.js'
import { connectSocket } from './connect-socket.js'
import { NaeLink, type Witness } from './nae-link.js'

/** A connection on which a version is agreed. */
export interface OpenedLink {
  readonly link: NaeLink
  /** The version that the appliance chose. */
  readonly version: string
}

/**
 * Connects and agrees on a version.
 * @throws LinkError, NaeRefusal
 */
export async function openLink(
  node: NaeNode,
  options: Omit<LinkOptions, 'user'>,
  witness?: Witness,
): Promise<OpenedLink> {
  const { tls, dialect, timers } = options
  const socket = await connectSocket(node, tls, timers.connectMs)
  const link = new NaeLink(node, socket, dialect, witness)
  try {
    const { element } = await link.request(versionRequest(dialect), timers.readMs)
    return { link, version: findText(element, dialect.names.version) ?? '' }
  } catch (error) {
    link.close()
    throw error
  }
}

/**
 * Logs in on a fresh connection. A refusal must not be repeated: appliances lock users.
 * @throws LinkError, NaeRefusal
 */
export async function logIn(
  link: NaeLink,
  options: LinkOptions,
  password: SecretBytes,
): Promise<void> {
  const text = password.expose((bytes) => bytes.toString('utf8'))
  try {
    await link.request(authRequest(options.dialect, options.user, text), options.timers.readMs)
  } catch (error) {
    if (!(error instanceof NaeRefusal)) throw error
    // What an appliance says may repeat what it was told, and goes to the log.
    throw new NaeRefusal(error.request, error.said.replaceAll(text, '[password]'), error.fatal)
  }
}
