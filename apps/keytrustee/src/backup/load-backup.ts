/** A backup's rows into an empty database: everything is checked before anything is committed. */
import type { AgeKey } from '@keyhsm/client'
import type { PostgresAddress } from '../store/postgres/address.js'
import { loadDatabase } from '../store/postgres/load-database.js'
import type { ConfigurationFile } from './configuration-files.js'
import { watched } from './frames.js'
import type { Manifest } from './manifest.js'
import { type ReadBackup, readBackup, readManifest } from './read-backup.js'
import { countLines } from './write-backup.js'

export interface LoadOrder {
  readonly file: string
  readonly key: AgeKey
  /** A role that may make the schema. */
  readonly address: PostgresAddress
  readonly serviceRole?: string
  readonly signal: AbortSignal
  readonly onProgress: (line: string) => void
  /** Before anything is made; may refuse. */
  readonly onManifest?: (manifest: Manifest) => Promise<void>
  /** Before the rows are proved to be whole: keep it where it can be taken back. */
  readonly onFile?: (file: ConfigurationFile) => Promise<void>
}

/** @throws what reading and loading throw; the database then holds no rows. */
export async function loadBackup(o: LoadOrder): Promise<ReadBackup> {
  const { file, key, address, serviceRole, signal } = o
  const { schema } = await readManifest(file, key)
  const role = serviceRole === undefined ? {} : { serviceRole }
  return loadDatabase({ address, schema, ...role }, (target) => {
    let rows = 0
    return readBackup(file, key, {
      ...(o.onManifest ? { manifest: o.onManifest } : {}),
      ...(o.onFile ? { file: o.onFile } : {}),
      table(name, columns, data) {
        const looked = watched(data, (bytes) => {
          signal.throwIfAborted()
          rows += countLines(bytes)
          o.onProgress(`${rows} rows loaded`)
        })
        return target.load(name, columns, looked)
      },
    })
  })
}
