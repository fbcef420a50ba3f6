/** The statements by which clients find from a certificate that they pinned to the one in use. */
import { DomainError } from '@keyhsm/core'
import { maxSuccessions, parseSuccessions, type Succession } from '@keyhsm/protocol'
import { writeFileAtomically } from '@keyhsm/service'
import { readOptionalText } from '../files.js'
import type { Paths } from '../paths.js'

type SuccessionPaths = Pick<Paths, 'successions'>

/** Empty before the first renewal. @throws ERR_SETTINGS when the file is damaged. */
export async function readSuccessions(paths: SuccessionPaths): Promise<readonly Succession[]> {
  const text = await readOptionalText(paths.successions)
  if (text === undefined) return []
  const statements = parseSuccessions(text)
  if (statements) return statements
  throw new DomainError('ERR_SETTINGS', 'successions.json cannot be read', {
    hints: [
      'restore it from a backup, or remove it: clients that are away must then register again',
    ],
  })
}

/** Adds one; the oldest go when there are too many. */
export async function addSuccession(paths: SuccessionPaths, succession: Succession): Promise<void> {
  const before = await readSuccessions(paths)
  await write(paths, [...before, succession].slice(-maxSuccessions))
}

/** From now on no certificate before the present one leads here. */
export async function forgetSuccessions(paths: SuccessionPaths): Promise<void> {
  await write(paths, [])
}

async function write(
  { successions }: SuccessionPaths,
  statements: readonly Succession[],
): Promise<void> {
  const text = `${JSON.stringify({ successions: statements }, undefined, 2)}\n`
  await writeFileAtomically(successions, text, 0o644)
}
