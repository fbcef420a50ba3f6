import { access, chmod, link, mkdir, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { hasFileCode, syncDirectory, toTokenError, writeDurably } from './durable-files.js'
import { defaultScryptCost, formatTokenHeader, makeTokenHeader } from './token-header.js'

export interface NewSoftToken {
  /** Made when missing, then 0700. Must be empty otherwise. */
  readonly directory: string
  /** 1 to 32 characters, as CKA tokens have them. */
  readonly label: string
  /** 4 to 255 characters. */
  readonly pin: string
  /** scrypt's N; tests take a small one. */
  readonly scryptCost?: number
}

/**
 * Makes a software token, for development only: whoever can read the directory and knows the PIN has the keys.
 * @throws ERR_ALREADY_EXISTS when the directory holds a token; ERR_SETTINGS when it holds anything else;
 * ERR_INVALID_INPUT when label or PIN break their rules.
 */
export async function initialiseSoftToken(options: NewSoftToken): Promise<{ serial: string }> {
  const { directory, label, pin, scryptCost = defaultScryptCost } = options
  // Before the PIN is hashed, which takes half a second; two at once are settled by the link below.
  if (await holdsToken(directory)) throw alreadyThere()
  const header = await makeTokenHeader(label, pin, scryptCost)
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await checkEmpty(directory)
    await chmod(directory, 0o700)
    await mkdir(join(directory, 'keys'), { recursive: true, mode: 0o700 })
    const staged = join(directory, `.token-${header.serial}`)
    await writeDurably(staged, formatTokenHeader(header))
    try {
      await link(staged, join(directory, 'token.json'))
    } finally {
      await unlink(staged)
    }
    await syncDirectory(directory)
  } catch (error) {
    throw hasFileCode(error, 'EEXIST') ? alreadyThere() : toTokenError(error)
  }
  return { serial: header.serial }
}

async function holdsToken(directory: string): Promise<boolean> {
  return await access(join(directory, 'token.json')).then(
    () => true,
    () => false,
  )
}

async function checkEmpty(directory: string): Promise<void> {
  const names = await readdir(directory)
  if (names.includes('token.json')) throw alreadyThere()
  // A crash or a second initialisation can have left these.
  const foreign = names.filter((name) => name !== 'keys' && !name.startsWith('.token-'))
  if (foreign.length > 0) {
    throw new DomainError('ERR_SETTINGS', `${directory} is not empty and holds no token`)
  }
}

function alreadyThere(): DomainError {
  return new DomainError('ERR_ALREADY_EXISTS', 'the directory already holds a token')
}
