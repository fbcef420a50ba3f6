/** The name of one audit log among others, for those who record its heads: it stays when files are rotated or moved. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomically } from '../atomic-file.js'
import { systemCode } from '../file-errors.js'

export const idName = 'audit.id'
const idPattern = /^[0-9a-f]{16}$/

/** 16 hex digits; undefined when the log has none yet, or what is there is none. @throws what reading throws */
export async function readLogId(directory: string): Promise<string | undefined> {
  try {
    const text = (await readFile(join(directory, idName), 'utf8')).trim()
    return idPattern.test(text) ? text : undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The log's name, made at random the first time. */
export async function ensureLogId(directory: string): Promise<string> {
  const known = await readLogId(directory)
  if (known !== undefined) return known
  const id = randomBytes(8).toString('hex')
  await writeFileAtomically(join(directory, idName), `${id}\n`, 0o600)
  return id
}
