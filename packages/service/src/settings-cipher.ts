/**
 * Passwords in a settings file: AES-256-GCM under a key that lives in a file of its own, bound to the setting's name.
 * Whoever copies the settings file alone has nothing; whoever changes a sealed value by hand is told so.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { type FileHandle, constants, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { DomainError, SecretBytes } from '@keyhsm/core'
import { writeFileAtomically } from './atomic-file.js'
import { toFileError } from './file-errors.js'

const prefix = 'sealed:v1:'
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const domain = 'keyhsm setting v1\n'
const algorithm = 'aes-256-gcm'

/** True for text that {@link sealSetting} made, or that wants to look like it. */
export function isSealed(text: string): boolean {
  return text.startsWith('sealed:')
}

/**
 * `value` as text for the settings file. The nonce is random: far below 2^32 values are ever sealed under one key.
 * The caller wipes `value`.
 */
export function sealSetting(key: SecretBytes, name: string, value: SecretBytes): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = key.expose((bytes) => createCipheriv(algorithm, bytes, nonce))
  cipher.setAAD(Buffer.from(domain + name))
  const sealed = value.expose((bytes) => Buffer.concat([cipher.update(bytes), cipher.final()]))
  return prefix + Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64')
}

function cannotOpen(name: string, rule: string, cause?: unknown): DomainError {
  return new DomainError('ERR_SETTINGS', `${name} ${rule}`, {
    faults: [{ field: name, rule }],
    hints: ['Set it again with the setup command.'],
    ...(cause === undefined ? {} : { cause }),
  })
}

function decodeSealed(name: string, text: string): Buffer {
  const encoded = text.slice(prefix.length)
  const bytes = Buffer.from(encoded, 'base64')
  const canonical = text.startsWith(prefix) && bytes.toString('base64') === encoded
  if (!canonical || bytes.length < nonceBytes + tagBytes) {
    throw cannotOpen(name, 'is not a sealed value; passwords are written by setup only')
  }
  return bytes
}

/** The caller wipes the result. @throws ERR_SETTINGS when the text was changed, moved from another setting or sealed under another key. */
export function openSetting(key: SecretBytes, name: string, text: string): SecretBytes {
  const bytes = decodeSealed(name, text)
  const nonce = bytes.subarray(0, nonceBytes)
  const decipher = key.expose((secret) =>
    createDecipheriv(algorithm, secret, nonce, { authTagLength: tagBytes }),
  )
  decipher.setAAD(Buffer.from(domain + name))
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
  try {
    const opened = decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes))
    return SecretBytes.own(Buffer.concat([opened, decipher.final()]))
  } catch (error) {
    throw cannotOpen(name, 'does not open: it was changed by hand or sealed elsewhere', error)
  }
}

/** For `parseSettings`: opens secret settings to text. */
export function secretOpener(key: SecretBytes): (name: string, text: string) => string {
  return (name, text) => {
    const opened = openSetting(key, name, text)
    try {
      return opened.expose((bytes) => bytes.toString('utf8'))
    } finally {
      opened.wipe()
    }
  }
}

async function readChecked(handle: FileHandle, what: string): Promise<SecretBytes> {
  const found = await handle.stat()
  if (!found.isFile() || (found.mode & 0o077) !== 0) {
    throw new DomainError('ERR_SETTINGS', `${what} must be a file that only its owner can read`, {
      hints: ['Run chmod 600 on it, and seal the passwords again if others may have read it.'],
    })
  }
  const bytes = await handle.readFile()
  if (bytes.length !== keyBytes) {
    throw new DomainError('ERR_SETTINGS', `${what} must hold ${keyBytes} bytes`)
  }
  return SecretBytes.own(bytes)
}

/**
 * Reads the settings key; the caller wipes it.
 * @throws ERR_NOT_FOUND when there is none; ERR_SETTINGS when others can read it or it has another length.
 */
export async function readSettingsKey(path: string): Promise<SecretBytes> {
  const what = `the settings key ${basename(path)}`
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    (error: unknown) => {
      throw toFileError(error, what)
    },
  )
  try {
    return await readChecked(handle, what)
  } finally {
    await handle.close()
  }
}

/** The key at `path`; makes one (mode 0600) when there is none. @throws as {@link readSettingsKey}. */
export async function ensureSettingsKey(path: string): Promise<SecretBytes> {
  try {
    return await readSettingsKey(path)
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== 'ERR_NOT_FOUND') throw error
  }
  const key = SecretBytes.random(keyBytes)
  await key.expose((bytes) => writeFileAtomically(path, bytes))
  return key
}
