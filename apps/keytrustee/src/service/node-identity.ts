/** Who this server is among those of its installation: a uuid of its own, never a host name or an address. */
import { X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import { DomainError, newUuid, parseUuid, type Uuid } from '@keyhsm/core'
import { certificateFingerprint, formatAuthority, writeFileAtomically } from '@keyhsm/service'
import { readOptionalText, readText } from '../files.js'
import type { Paths } from '../paths.js'
import type { NodeIdentity } from '../store/postgres/following/sighting.js'
import { type Settings, readSettings, settingPath } from '../settings.js'
import { version } from '../version.js'

/** Makes the uuid at the first call. @throws ERR_SETTINGS */
export async function readNodeIdentity(
  paths: Paths,
  settings: Partial<Pick<Settings, 'externalAddresses' | 'host' | 'port'>>,
): Promise<NodeIdentity> {
  const { certificate } = await readSettings(paths)
  const pem = await readText(settingPath(paths, certificate))
  return {
    node: await readNode(paths),
    name: hostname(),
    url: urlOf(settings),
    serverFingerprint: certificateFingerprint(new X509Certificate(pem)),
    version,
  }
}

async function readNode({ node: file }: Pick<Paths, 'node'>): Promise<Uuid> {
  const text = await readOptionalText(file)
  if (text === undefined) {
    const node = newUuid()
    await writeFileAtomically(file, `${JSON.stringify({ node })}\n`, 0o600)
    return node
  }
  try {
    return parseUuid(String((JSON.parse(text) as { readonly node?: unknown }).node))
  } catch (cause) {
    throw new DomainError('ERR_SETTINGS', 'node.json is damaged', {
      cause,
      hints: ['remove it: the server makes itself another uuid'],
    })
  }
}

function urlOf({
  externalAddresses = [],
  host = '0.0.0.0',
  port = 11371,
}: Parameters<typeof readNodeIdentity>[1]): string {
  const listens = host === '0.0.0.0' || host === '::' ? hostname() : host
  const name = externalAddresses[0] ?? listens
  return `https://${formatAuthority({ host: name, port })}`
}
