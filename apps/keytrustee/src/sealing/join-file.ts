/**
 * How this server is joined to a Key HSM: one file outside the database (0600), so that a database administrator can
 * neither redirect nor end it. The database holds a copy of the public part, to notice one that belongs elsewhere.
 */
import { rm } from 'node:fs/promises'
import { DomainError, parseFingerprint } from '@keyhsm/core'
import { writeFileAtomically } from '@keyhsm/service'
import { readOptionalText, readPrivateText } from '../files.js'
import type { Paths } from '../paths.js'
import type { Join } from '../store/store.js'
import type { SealTarget } from './key-hsm-sealer.js'
import type { Scope } from './sealer.js'

/** Everything needed to talk to the joined Key HSM. */
export interface Joined extends Join {
  /** Scope of its settings, as it said last; only the quota on new HSM keys depends on it. */
  readonly scope: Scope
  /** How new deposits are sealed, where a migration has changed that. */
  readonly target?: SealTarget
  /** New deposits pass through unsealed: they were moved out, and the server may leave Key HSM. */
  readonly passThrough?: true
  /** Which direction this is, of those that the servers of an installation follow. */
  readonly directed?: number
  /** PEM: the one certificate that Key HSM must show. */
  readonly serverCertificate: string
  /** PEM of the one that follows, as Key HSM announced it: accepted besides. */
  readonly nextServerCertificate?: string
  /** PEM pair this server shows. The key stays encrypted when it came so. */
  readonly clientCertificate: string
  readonly clientKey: string
  readonly passphrase: string | undefined
}

const format = 'keytrustee-join-1'

/** Undefined when this server was never joined. @throws ERR_SETTINGS when the file cannot be believed. */
export async function readJoinFile(paths: Pick<Paths, 'join'>): Promise<Joined | undefined> {
  if ((await readOptionalText(paths.join)) === undefined) return undefined
  const text = await readPrivateText(paths.join)
  try {
    return parseJoin(JSON.parse(text) as Record<string, unknown>)
  } catch (cause) {
    throw new DomainError('ERR_SETTINGS', 'join.json is damaged', {
      cause,
      hints: ['join again: ktadmin keyhsm'],
    })
  }
}

/** Writes the file, then the Key HSM's certificate where operators of the old product look for it. */
export async function writeJoinFile(
  paths: Pick<Paths, 'join' | 'keyHsmCertificate'>,
  joined: Joined,
): Promise<void> {
  const text = JSON.stringify({ format, ...joined }, undefined, 2)
  await writeFileAtomically(paths.keyHsmCertificate, acceptedCertificates(joined).join(''), 0o644)
  await writeFileAtomically(paths.join, `${text}\n`, 0o600)
}

/** PEM of every certificate that Key HSM may show: the one in use, and the one that follows. */
export function acceptedCertificates({
  serverCertificate,
  nextServerCertificate,
}: Pick<Joined, 'serverCertificate' | 'nextServerCertificate'>): string[] {
  return nextServerCertificate === undefined
    ? [serverCertificate]
    : [serverCertificate, nextServerCertificate]
}

function parseJoin(fields: Record<string, unknown>): Joined {
  const text = (name: string): string => {
    const value = fields[name]
    if (typeof value !== 'string' || value === '') throw new Error(`${name} is missing`)
    return value
  }
  if (fields['format'] !== format) throw new Error('unknown format')
  return {
    url: text('url'),
    realm: text('realm'),
    canary: parseFingerprint(text('canary'), 'canary'),
    domain: text('domain'),
    joinedAt: new Date(text('joinedAt')),
    scope: parseScope(text('scope')),
    ...(fields['target'] === undefined ? {} : { target: fields['target'] as SealTarget }),
    ...(fields['passThrough'] === true ? { passThrough: true } : {}),
    ...(typeof fields['directed'] === 'number' ? { directed: fields['directed'] } : {}),
    serverCertificate: text('serverCertificate'),
    ...(fields['nextServerCertificate'] === undefined
      ? {}
      : { nextServerCertificate: text('nextServerCertificate') }),
    clientCertificate: text('clientCertificate'),
    clientKey: text('clientKey'),
    passphrase: fields['passphrase'] === undefined ? undefined : text('passphrase'),
  }
}

/** Removes what {@link writeJoinFile} wrote. */
export async function removeJoinFile(
  paths: Pick<Paths, 'join' | 'keyHsmCertificate'>,
): Promise<void> {
  await rm(paths.join, { force: true })
  await rm(paths.keyHsmCertificate, { force: true })
}

function parseScope(text: string): Scope {
  if (text === 'deposit' || text === 'organisation' || text === 'service') return text
  throw new Error('unknown scope')
}
