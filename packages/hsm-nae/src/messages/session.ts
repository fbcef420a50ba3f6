/** Messages of a session: version, login, device. @see docs/protocols/nae-xml.md#session */
import type { NaeRequest } from '../connection/nae-link.js'
import type { NaeDialect } from '../dialect/dialect.js'
import { branch, leaf, type XmlElement } from '../xml/element.js'

/** Offers versions in order of preference; the appliance takes the first it knows. */
export function versionRequest({ names, versions }: NaeDialect): NaeRequest {
  const offered = versions.map((version) => leaf(names.version, version))
  return {
    request: 'versionRequest',
    response: 'versionResponse',
    children: [leaf(names.messageVersion, '1.0'), branch(names.versionList, offered)],
  }
}

/** Holds the password: never logged, never in an error. */
export function authRequest({ names }: NaeDialect, user: string, password: string): NaeRequest {
  return {
    request: 'authRequest',
    response: 'authResponse',
    children: [leaf(names.authUser, user), leaf(names.authPassword, password)],
  }
}

/** Asks for model, box id and software version. */
export function deviceInfoRequest(): NaeRequest {
  return { request: 'deviceInfoRequest', response: 'deviceInfoResponse', children: [] }
}

/** What the appliance says of itself, in one line: names of the elements differ, so all their texts are taken. */
export function parseDeviceInfo({ names }: NaeDialect, element: XmlElement): string {
  const own: readonly string[] = [names.id, names.success]
  const told = element.children.filter(({ name, text }) => !own.includes(name) && text !== '')
  const line = told.map(({ name, text }) => `${name} ${text}`).join(', ')
  return line.replaceAll(/[^ -~]/g, '?').slice(0, 200)
}
