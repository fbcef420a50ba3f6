/**
 * Administrators: one Ed25519 key each in `admin/<name>.key` (0600), the public half beside it in `admin/<name>.pub`.
 * The server reads only the public halves; a private key may be moved to where its owner alone can read it.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { DomainError, parseShortName } from '@keyhsm/core'
import type { AdministratorKey } from '@keyhsm/protocol'
import { writeFileAtomically } from '@keyhsm/service'
import { readOptionalText, readPrivateText, readText } from './files.js'
import type { Paths } from './paths.js'

type Folder = Pick<Paths, 'administrators'>

/** Who started this process, taken before privileges are dropped: the person behind sudo, else the user. */
export const invokingUser: string = process.env['SUDO_USER'] ?? userInfo().username

/** Makes a key for `name`. @throws ERR_ALREADY_EXISTS */
export async function addAdministrator(paths: Folder, name: string): Promise<string> {
  parseShortName(name, 'name')
  const file = join(paths.administrators, `${name}.key`)
  const publicFile = join(paths.administrators, `${name}.pub`)
  if ((await readOptionalText(publicFile)) !== undefined)
    throw new DomainError('ERR_ALREADY_EXISTS', `there is an administrator ${name} already`)
  await mkdir(paths.administrators, { recursive: true, mode: 0o700 })
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  await writeFileAtomically(file, pem, 0o600)
  await writeFileAtomically(publicFile, publicKey.export({ type: 'spki', format: 'pem' }), 0o644)
  return file
}

/** Public keys by name. @throws ERR_SETTINGS for a file that is no Ed25519 public key. */
export async function readAdministrators(paths: Folder): Promise<ReadonlyMap<string, KeyObject>> {
  const administrators = new Map<string, KeyObject>()
  for (const name of await listNames(paths, '.pub')) {
    const text = await readText(join(paths.administrators, `${name}.pub`))
    administrators.set(name, parseKey(text, `${name}.pub`, createPublicKey))
  }
  return administrators
}

/**
 * The key to sign with: `wanted`'s, else the invoking user's, else the only one there is.
 * @throws ERR_SETTINGS when there is none, or it cannot be told which.
 */
export async function readAdministratorKey(
  paths: Folder,
  wanted: string | undefined,
): Promise<AdministratorKey> {
  const names = await listNames(paths, '.key')
  const name = chooseName(names, wanted)
  const text = await readPrivateText(join(paths.administrators, `${name}.key`))
  return { name, privateKey: parseKey(text, `${name}.key`, createPrivateKey) }
}

function chooseName(names: readonly string[], wanted: string | undefined): string {
  if (wanted !== undefined) {
    if (names.includes(wanted)) return wanted
    throw new DomainError('ERR_SETTINGS', `there is no administrator key ${wanted}.key`, {
      hints: [`make one: ktadmin admin add ${wanted}`],
    })
  }
  if (names.includes(invokingUser)) return invokingUser
  const [only, another] = names
  if (only !== undefined && another === undefined) return only
  throw new DomainError(
    'ERR_SETTINGS',
    only === undefined ? 'there is no administrator key' : 'there are several administrator keys',
    { hints: [only === undefined ? 'run: ktadmin init' : `say which: --as ${names.join(' | ')}`] },
  )
}

async function listNames(paths: Folder, ending: '.key' | '.pub'): Promise<string[]> {
  const files = await readdir(paths.administrators).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new DomainError('ERR_SETTINGS', 'cannot read the folder admin', { cause: error })
  })
  return files
    .filter((file) => file.endsWith(ending) && !file.startsWith('.'))
    .map((file) => file.slice(0, -ending.length))
    .sort()
}

function parseKey(text: string, file: string, parse: (pem: string) => KeyObject): KeyObject {
  try {
    const key = parse(text)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Falls through to the one answer for every unusable file.
  }
  throw new DomainError('ERR_SETTINGS', `${file} is not an Ed25519 key in PEM`)
}
