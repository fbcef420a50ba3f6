/** Checks of certificates, disks and the clock. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { diskWarnings, expiryWarnings, readDiskUse } from '@keyhsm/service'
import {
  certificateSources,
  expiringCertificates,
  watchedFolders,
} from '../certificates/list-certificates.js'
import { missingNames } from '../certificates/roll-server.js'
import { readJoinFile } from '../sealing/join-file.js'
import { readLiveState } from '../service/live-state.js'
import { type Check, type Finding, ok, skipped, warning } from './check.js'

const toolTimeoutMs = 5_000

export const surroundingsChecks: readonly Check[] = [
  {
    name: 'certificates',
    async run({ paths, settings, now }) {
      if (!settings) return []
      const live = await readLiveState(paths, now)
      const sources = certificateSources(live, await readJoinFile(paths))
      const certificates = expiringCertificates(sources)
      const ends = expiryWarnings(certificates, now).map(({ text }): Finding => {
        const [detail = text, remedy = ''] = text.split('; run ')
        return { state: detail.includes(' expired on ') ? 'fault' : 'warning', detail, remedy }
      })
      const missing = missingNames(live.certificate, settings)
      const names =
        missing.length === 0
          ? []
          : [
              warning(
                `the server’s certificate does not hold ${missing.join(', ')}`,
                'ktadmin cert renew',
              ),
            ]
      const all = [...ends, ...names]
      return all.length > 0
        ? all
        : [ok(`${certificates.length} certificates, none ends within 60 days`)]
    },
  },
  {
    name: 'disks',
    async run({ paths, settings }) {
      if (!settings) return []
      const folders = watchedFolders(paths, { privateDatabase: settings.databaseUrl === undefined })
      const found = await diskWarnings(folders)
      if (found.length > 0)
        return found.map(({ text }) => {
          const [detail = text, remedy = ''] = text.split(': ')
          return warning(detail, remedy)
        })
      const uses = await Promise.all(folders.map(({ path }) => readDiskUse(path)))
      const fullest = Math.max(0, ...uses.map((use) => use?.used ?? 0))
      return [ok(`at most ${Math.floor(fullest * 100)} % full`)]
    },
  },
  {
    name: 'clock',
    async run() {
      const args = ['show', '--property=NTPSynchronized', '--value']
      const told = await promisify(execFile)('timedatectl', args, { timeout: toolTimeoutMs }).catch(
        () => undefined,
      )
      const word = told?.stdout.trim()
      if (word === 'yes') return [ok('kept by NTP')]
      if (word !== 'no') return [skipped('timedatectl does not say whether NTP keeps the clock')]
      return [
        warning(
          'not kept by NTP: policies, certificates and audits need the right time',
          'timedatectl set-ntp true',
        ),
      ]
    },
  },
]
