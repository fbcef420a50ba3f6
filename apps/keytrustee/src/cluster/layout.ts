/** Where the files of a private cluster lie, and the file that says that the directory is ours. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { writePrivateFile } from './files.js'

/** Part of the socket's name; no TCP port is opened. */
export const clusterPort = 11381
/** The database of the Trustee Server. */
export const databaseName = 'keytrustee'
/** The role the Trustee Server connects with: reads and writes rows, changes no schema, is no superuser. */
export const serviceRole = 'keytrustee_server'

export interface ClusterLayout {
  readonly directory: string
  /** PGDATA; there if and only if initdb finished. */
  readonly data: string
  readonly log: string
  /** Default place of the socket. */
  readonly run: string
  readonly marker: string
  /** There while an operator wants the database stopped. */
  readonly stopped: string
}

export function clusterLayout(directory: string): ClusterLayout {
  return {
    directory,
    data: join(directory, 'data'),
    log: join(directory, 'log'),
    run: join(directory, 'run'),
    marker: join(directory, 'cluster.json'),
    stopped: join(directory, 'stopped'),
  }
}

/** Content of `cluster.json`. */
export interface ClusterMarker {
  readonly format: 1
  readonly madeBy: 'keytrustee'
  /** Where the socket was last; remembered because a long home needs a directory elsewhere. */
  readonly socketDirectory?: string
}

/** Undefined when the directory has none. @throws ERR_SETTINGS when it holds something else */
export async function readMarker(layout: ClusterLayout): Promise<ClusterMarker | undefined> {
  const text = await readFile(layout.marker, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw new DomainError('ERR_SETTINGS', `${layout.marker} cannot be read (${error.code})`, {
      cause: error,
    })
  })
  return text === undefined ? undefined : parseMarker(text, layout.marker)
}

function parseMarker(text: string, file: string): ClusterMarker {
  const value = parseJson(text)
  if (value?.['format'] !== 1 || value['madeBy'] !== 'keytrustee')
    throw new DomainError('ERR_SETTINGS', `${file} is not of a cluster of this program`)
  const socketDirectory = value['socketDirectory']
  return {
    format: 1,
    madeBy: 'keytrustee',
    ...(typeof socketDirectory === 'string' ? { socketDirectory } : {}),
  }
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

export async function writeMarker(layout: ClusterLayout, marker: ClusterMarker): Promise<void> {
  await writePrivateFile(layout.marker, `${JSON.stringify(marker, undefined, 2)}\n`)
}
