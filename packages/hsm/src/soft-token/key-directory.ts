/**
 * Where the token keeps its keys: `keys/<id>/<random>.key`, one folder an id and one file a key. A key appears and
 * disappears by one rename of its folder, so other processes see it whole or not at all, and of two that make the same
 * id one wins. The random file name tells a key apart from a later one with the same id.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError, type HsmKeyId } from '@keyhsm/core'
import { hasFileCode, syncDirectory, writeDurably } from './durable-files.js'

const idPattern = /^[0-9a-f]{32}$/
const filePattern = /^[0-9a-f]{16}\.key$/
const staging = '.new-'
const removed = '.gone-'
/** A staging folder this old belongs to a process that died; making one takes milliseconds. */
const staleAfterMs = 600_000

/** The key files of one token. Every method may throw the error of the file system. */
export class KeyDirectory {
  readonly #path: string

  constructor(tokenDirectory: string) {
    this.#path = join(tokenDirectory, 'keys')
  }

  /** Every id with at least a folder, in no order. */
  async ids(): Promise<HsmKeyId[]> {
    const names = await readdir(this.#path)
    return names.filter((name): name is HsmKeyId => idPattern.test(name))
  }

  /** Names of the key files of an id: none when it is not there, several when somebody planted a second. */
  async files(id: HsmKeyId): Promise<string[]> {
    try {
      const names = await readdir(join(this.#path, id))
      return names.filter((name) => filePattern.test(name))
    } catch (error) {
      if (hasFileCode(error, 'ENOENT')) return []
      throw error
    }
  }

  /** The text of one key file, or undefined when it has gone meanwhile. */
  async read(id: HsmKeyId, file: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#path, id, file), 'utf8')
    } catch (error) {
      if (hasFileCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /**
   * Adds a key durably and returns its file name. `beforeCommit` may still throw; afterwards the key exists.
   * @throws ERR_ALREADY_EXISTS when the id is taken, also by another process at the same moment.
   */
  async insert(id: HsmKeyId, text: string, beforeCommit: () => void): Promise<string> {
    const file = `${randomBytes(8).toString('hex')}.key`
    const staged = await mkdtemp(join(this.#path, staging))
    try {
      await writeDurably(join(staged, file), text)
      await syncDirectory(staged)
      beforeCommit()
      await rename(staged, join(this.#path, id))
    } catch (error) {
      await rm(staged, { recursive: true, force: true })
      if (hasFileCode(error, 'ENOTEMPTY', 'EEXIST')) throw idTaken()
      throw error
    }
    await syncDirectory(this.#path)
    return file
  }

  /** Removes a key durably; false when another process was first. */
  async remove(id: HsmKeyId): Promise<boolean> {
    const trash = join(this.#path, `${removed}${randomBytes(8).toString('hex')}`)
    try {
      await rename(join(this.#path, id), trash)
    } catch (error) {
      if (hasFileCode(error, 'ENOENT')) return false
      throw error
    }
    await syncDirectory(this.#path)
    await rm(trash, { recursive: true, force: true })
    return true
  }

  /** Clears what processes that died left behind: removed keys at once, half-made ones when they are old. */
  async sweep(now: Date): Promise<void> {
    for (const name of await readdir(this.#path)) {
      const path = join(this.#path, name)
      if (name.startsWith(removed) || (name.startsWith(staging) && (await isStale(path, now)))) {
        await rm(path, { recursive: true, force: true })
      }
    }
  }
}

async function isStale(path: string, now: Date): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && now.getTime() - found.mtimeMs > staleAfterMs
}

/** The one answer to a taken id, found early or at the rename. */
export function idTaken(): DomainError {
  return new DomainError('ERR_ALREADY_EXISTS', 'an HSM key with this id exists')
}
