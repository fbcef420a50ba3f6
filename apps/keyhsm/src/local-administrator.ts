/**
 * The key with which the `keyhsm` command signs its requests to the running service. `setup` makes it; whoever can read it
 * administers this Key HSM, so it stands in a 0600 file. Each `admin/<name>.key` is an administrator of that name.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import type { AdministratorKey } from '@keyhsm/protocol'
import { systemCode, toFileError, writeFileAtomically } from '@keyhsm/service'
import { makePrivateDirectory, readSecretFileIfThere } from './files.js'

const localName = 'local'

/** Makes `admin/local.key` when there is none. */
export async function ensureLocalAdministrator(folder: string): Promise<{ made: boolean }> {
  await makePrivateDirectory(folder)
  const path = join(folder, `${localName}.key`)
  if ((await readSecretFileIfThere(path)) !== undefined) return { made: false }
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  await writeFileAtomically(path, pem, 0o600)
  return { made: true }
}

/** The key to sign with. @throws ERR_SETTINGS when setup did not run. */
export async function readLocalAdministrator(folder: string): Promise<AdministratorKey> {
  const path = join(folder, `${localName}.key`)
  const pem = await readSecretFileIfThere(path)
  if (pem === undefined) {
    throw new DomainError('ERR_SETTINGS', `there is no administrator key ${path}`, {
      hints: ['run `keyhsm setup`'],
    })
  }
  return { name: localName, privateKey: parseKey(pem, path) }
}

/** Public keys of everybody who may administer, by name. */
export async function readAdministrators(folder: string): Promise<ReadonlyMap<string, KeyObject>> {
  const administrators = new Map<string, KeyObject>()
  for (const file of await listKeys(folder)) {
    const path = join(folder, file)
    const pem = await readSecretFileIfThere(path)
    if (pem !== undefined) {
      administrators.set(file.slice(0, -'.key'.length), createPublicKey(parseKey(pem, path)))
    }
  }
  return administrators
}

function parseKey(pem: string, path: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch (cause) {
    throw new DomainError('ERR_SETTINGS', `the administrator key ${path} is damaged`, { cause })
  }
  throw new DomainError('ERR_SETTINGS', `the administrator key ${path} is not an Ed25519 key`)
}

async function listKeys(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /^[A-Za-z0-9][\w.-]{0,60}\.key$/.test(name))
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw toFileError(error, `cannot read ${folder}`)
  }
}
