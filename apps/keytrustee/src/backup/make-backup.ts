/** `ktadmin backup`: audited, written, read again, and only then older ones are removed. */
import { rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { AgeKey } from '@keyhsm/client'
import { DomainError, systemClock } from '@keyhsm/core'
import { readServerFingerprint } from '../initialise.js'
import type { Paths } from '../paths.js'
import { withDatabaseAddress } from '../service/database.js'
import { readJoinFile } from '../sealing/join-file.js'
import { readSettings, settingPath } from '../settings.js'
import { version } from '../version.js'
import { readConfiguration } from './configuration-files.js'
import { readBackup } from './read-backup.js'
import { openRecorder, recorded } from './recorder.js'
import { rollBackups } from './roll-backups.js'
import { writeBackup, type WrittenBackup } from './write-backup.js'

export interface BackupWish {
  readonly paths: Paths
  /** Administrator, when the server runs and there are several. */
  readonly as: string | undefined
  /** Empty: those of the settings. */
  readonly recipients: readonly string[]
  /** Absent: the one of the settings. */
  readonly directory: string | undefined
  /** How many backups stay in the folder; absent: all. */
  readonly roll: number | undefined
  /** Given: the backup is decrypted and read to its end. */
  readonly key: AgeKey | undefined
  readonly signal: AbortSignal
  readonly onRows: (rows: number, estimated: number) => void
}

export interface MadeBackup extends WrittenBackup {
  /** `content`: decrypted and compared with its totals; `bytes`: the encrypted bytes were read again. */
  readonly verified: 'bytes' | 'content'
  /** Older backups that `--roll` removed. */
  readonly removed: readonly string[]
}

/** @throws ERR_SETTINGS without recipients; what writing and verifying throw, with no new file left. */
export async function makeBackup(wish: BackupWish): Promise<MadeBackup> {
  const { paths } = wish
  const settings = await readSettings(paths)
  const recipients = wish.recipients.length > 0 ? wish.recipients : settings.backupRecipients
  if (recipients.length === 0) throw noRecipients()
  const directory = wish.directory ?? settingPath(paths, settings.backupDirectory)
  const recorder = await openRecorder(paths, wish.as)
  const operation = { operation: 'backup', subject: { recipients: recipients.length } } as const
  try {
    return await recorded(
      recorder,
      operation,
      async () => {
        const manifest = await describeServer(paths, await recorder.head())
        const files = await readConfiguration(paths, directory)
        const order = { ...wish, directory, recipients, files, manifest }
        const written = await withDatabaseAddress(paths, settings, (address) =>
          writeBackup({ ...order, address }),
        )
        const verified = await verify(written, wish.key)
        const removed = wish.roll === undefined ? [] : await rollBackups(directory, wish.roll)
        return { ...written, verified, removed }
      },
      ({ file, sha256, verified, totals }) => ({
        subject: {
          file: basename(file),
          sha256,
          verified,
          rows: totals.tables.reduce((sum, { rows }) => sum + rows, 0),
        },
      }),
    )
  } finally {
    await recorder.close()
  }
}

async function describeServer(
  paths: Paths,
  auditHead: Parameters<typeof writeBackup>[0]['manifest']['auditHead'],
) {
  const joined = await readJoinFile(paths)
  return {
    madeAt: systemClock.now(),
    version,
    folder: paths.root,
    serverFingerprint: await readServerFingerprint(paths),
    auditHead,
    join: joined && { realm: joined.realm, canary: joined.canary, domain: joined.domain },
  }
}

async function verify(
  { file, totals }: WrittenBackup,
  key: AgeKey | undefined,
): Promise<MadeBackup['verified']> {
  if (key === undefined) return 'bytes'
  try {
    const read = await readBackup(file, key)
    if (isDeepStrictEqual(read.totals, totals)) return 'content'
    throw new DomainError('ERR_INTEGRITY', 'the backup does not hold what was written')
  } catch (error) {
    // A backup that nobody can vouch for must not push older ones out.
    await rm(file, { force: true })
    throw error
  }
}

function noRecipients(): DomainError {
  return new DomainError('ERR_SETTINGS', 'nobody is named who shall be able to read the backup', {
    faults: [{ field: 'recipients', rule: 'must name at least one age recipient' }],
    hints: [
      'make a pair on another machine: ktadmin backup-identity FILE (or age-keygen -pq)',
      'then: ktadmin backup --recipients-file FILE.pub, or set keytrustee.backup.recipients',
    ],
  })
}
