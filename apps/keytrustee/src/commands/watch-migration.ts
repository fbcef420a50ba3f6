/**
 * Watching a migration, which the server runs by itself: ending the command leaves it running. `ktadmin migrate pause` stops it.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Input, type Io, printTable } from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'
import { listMigrationsRoute, type ReplyOf } from '@keyhsm/protocol'
import { callServer } from './control.js'

type Listed = ReplyOf<typeof listMigrationsRoute>
export type Migration = Listed['migrations'][number]

const everyMs = 500
const barCharacters = 30

/** States in which a person is asked for the next word, or none is needed any more. */
const resting: ReadonlySet<Migration['state']> = new Set([
  'paused',
  'moved',
  'finished',
  'rolled-back',
])

/**
 * Shows progress until the migration rests. @returns it as it is then
 * @throws ERR_NOT_FOUND when the server knows none of that name
 */
export async function watchMigration(input: Input, io: Io, uuid: string): Promise<Migration> {
  const since = Date.now()
  let before: Migration | undefined
  let note: string | undefined
  for (;;) {
    const { migrations, failures } = await callServer(input, listMigrationsRoute)
    const now = migrations.find((migration) => migration.uuid === uuid)
    if (!now) throw new DomainError('ERR_NOT_FOUND', `there is no migration ${uuid}`)
    before ??= now
    if (resting.has(now.state)) {
      showBar(io, now, '')
      if (io.isTerminal) io.stderr.write('\n')
      showFailures(io, now, failures)
      return now
    }
    showBar(io, now, speedOf(before, now, Date.now() - since))
    if (now.note !== undefined && now.note !== note) io.words(`waiting: ${now.note}`)
    note = now.note
    await pause(everyMs)
  }
}

/** Exit status of a command that waited: 1 when something stays as it was, because it could not be moved or somebody paused. */
export function exitCodeOf({ state, failed }: Pick<Migration, 'state' | 'failed'>): number {
  return failed > 0 || state === 'paused' ? 1 : 0
}

/** `[#######......]  35 %  3500 of 10000, 120/s, 54 s left` */
export function formatBar({ moved, failed, total }: Migration, speed: string): string {
  const done = total === 0 ? 1 : Math.min(1, (moved + failed) / total)
  const filled = Math.round(done * barCharacters)
  const bar = `${'#'.repeat(filled)}${'.'.repeat(barCharacters - filled)}`
  const percent = `${Math.floor(done * 100)}`.padStart(3)
  return [`[${bar}] ${percent} %  ${moved} of ${total}`, ...(speed === '' ? [] : [speed])].join(
    ', ',
  )
}

/** Moves a second since `before`, and the time left at that rate. */
export function speedOf(before: Migration, now: Migration, elapsedMs: number): string {
  const rate = ((now.moved - before.moved) * 1000) / Math.max(1, elapsedMs)
  if (rate <= 0) return ''
  const leftSeconds = Math.ceil(Math.max(0, now.total - now.moved - now.failed) / rate)
  return `${rate.toFixed(0)}/s, ${leftSeconds} s left`
}

function showBar(io: Io, migration: Migration, speed: string): void {
  if (io.json || !io.isTerminal) return
  io.stderr.write(`\r${formatBar(migration, speed).padEnd(79)}`)
}

function showFailures(io: Io, { failed }: Migration, failures: Listed['failures']): void {
  if (failed === 0) return
  io.words(`${failed} revisions could not be moved and stay as they are:`)
  printTable(failures, ['handle', 'revision', 'code', 'deposit'], { stdout: io.stderr })
}
