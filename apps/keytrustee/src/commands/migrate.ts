/** `ktadmin migrate` and `ktadmin reseal`: moving what is stored; the server does it, these commands order and watch. */
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printFields,
} from '@keyhsm/command-line'
import { invalidInput, newUuid } from '@keyhsm/core'
import {
  type BodyOf,
  listMigrationsRoute,
  orderMigrationRoute,
  planMigrationRoute,
  type ReplyOf,
  startMigrationRoute,
  statusRoute,
} from '@keyhsm/protocol'
import { confirmFinal } from './confirm-final.js'
import { asOption, callServer } from './control.js'
import { printPlan } from './plan-words.js'
import { hintSpentKeys } from './spent-keys.js'
import { scheduleLine } from './status.js'
import { exitCodeOf, type Migration, watchMigration } from './watch-migration.js'

type Plan = ReplyOf<typeof planMigrationRoute>
type Wish = BodyOf<typeof planMigrationRoute>
interface Scheduled {
  readonly schedule: ReplyOf<typeof statusRoute>['resealSchedule'] | null
}
type Act = BodyOf<typeof orderMigrationRoute>['act']

const runOptions = [
  { flag: 'dry-run', describe: 'only say what would be moved and what is in the way' },
  { flag: 'no-wait', describe: 'return at once; see: ktadmin migrate status' },
  {
    flag: 'finish',
    describe: 'drop the former forms as soon as everything is moved: no rollback then',
  },
  { flag: 'yes', short: 'y', describe: 'do not ask' },
  asOption,
] as const

/** What each word does, and what the migration comes to rest in. */
const acts: Readonly<Record<Act, string>> = {
  pause: 'let the migration rest; what is moved stays moved, everything stays available',
  resume: 'go on with a paused migration, or try again what could not be moved',
  finish: 'revoke the HSM keys of the former forms and forget them: there is no rollback then',
  rollback: 'make the former forms the present ones again, and revoke the keys of the new ones',
}

export const migrateCommands: readonly Command[] = [
  {
    name: 'migrate',
    summary:
      'move deposits between partitions, scopes and kinds of HSM keys, or out of the HSM; they stay available, Ctrl-C leaves the server at it',
    options: [
      {
        flag: 'from',
        value: 'NAME',
        describe: 'backend of Key HSM, or pass-through (default: all that is sealed)',
      },
      {
        flag: 'to',
        value: 'NAME',
        describe: 'backend of Key HSM, or pass-through (default: where new deposits go)',
      },
      {
        flag: 'scope',
        value: 'S',
        describe: 'deposit, organisation or service',
        check: checkScope,
      },
      {
        flag: 'kind',
        value: 'K',
        describe: 'ec-p256, rsa-2048, rsa-3072 or aes-256',
        check: checkKind,
      },
      {
        flag: 'i-understand',
        describe: 'out of the HSM: revoking a key destroys nothing any more',
      },
      ...runOptions,
    ],
    run: (input, io) => start(input, io, wishOf(input)),
    print: printStarted,
    exitCode: exitCodeOfStarted,
  },
  {
    name: 'migrate status',
    summary: 'list migrations, the newest first, with what the newest could not move',
    options: [asOption],
    run: (input) => callServer(input, listMigrationsRoute),
    print({ migrations, failures }: ReplyOf<typeof listMigrationsRoute>, io: Io) {
      for (const migration of migrations) printMigration(migration, io)
      for (const { handle, revision, code } of failures)
        io.words(`not moved: ${handle}, revision ${revision}: ${code}`)
      if (migrations.length === 0) io.words('nothing was ever migrated here')
    },
  },
  ...(Object.keys(acts) as Act[]).map((act) => actCommand(act)),
  {
    name: 'reseal',
    summary: 'rotate: give deposits new content keys and new HSM keys, all of them or old ones',
    options: [
      {
        flag: 'older-than',
        value: 'DAYS',
        describe: 'only what got its present form that many days ago, e.g. 90d',
        check: parseDays,
      },
      {
        flag: 'schedule',
        describe: 'only say what the server reseals by itself (keytrustee.reseal.older-than)',
      },
      ...runOptions,
    ],
    async run(input, io): Promise<Plan | Migration | Scheduled> {
      if (optionGiven(input, 'schedule'))
        return { schedule: (await callServer(input, statusRoute)).resealSchedule ?? null }
      const days = optionText(input, 'older-than')
      const olderThanDays = days === undefined ? {} : { olderThanDays: parseDays(days) }
      return start(input, io, { reseal: true, ...olderThanDays })
    },
    print: printStarted,
    exitCode: exitCodeOfStarted,
  },
]

function actCommand(act: Act): Command {
  const final = act === 'finish' || act === 'rollback'
  const yes = { flag: 'yes', short: 'y', describe: 'do not ask' } as const
  const noWait = { flag: 'no-wait', describe: 'return at once' } as const
  return {
    name: `migrate ${act}`,
    summary: acts[act],
    options: [...(final ? [yes] : []), ...(act === 'pause' ? [] : [noWait]), asOption],
    async run(input, io): Promise<Migration> {
      if (final)
        await confirmFinal(`To ${act}: ${acts[act]}. Go on? [y/N] `, optionGiven(input, 'yes'), io)
      const body = { requestId: newUuid(), act }
      const migration = await callServer(input, orderMigrationRoute, { body })
      if (act === 'pause' || optionGiven(input, 'no-wait')) return migration
      return watchToEnd(input, io, migration.uuid)
    },
    print: printMigration,
    ...(act === 'resume' ? { exitCode: exitCodeOf } : {}),
  }
}

async function start(input: Input, io: Io, wish: Wish): Promise<Plan | Migration> {
  const plan = await callServer(input, planMigrationRoute, { body: wish })
  if (optionGiven(input, 'dry-run')) return plan
  if (!io.json) printPlan(plan, { ...io, stdout: io.stderr })
  await confirmFinal(
    'Do you want to perform this migration now? [y/N]: ',
    optionGiven(input, 'yes'),
    io,
  )
  const { migration } = await callServer(input, startMigrationRoute, {
    body: {
      ...wish,
      requestId: newUuid(),
      ...(input.options['i-understand'] === true ? { understood: true } : {}),
      ...(optionGiven(input, 'finish') ? { finish: true } : {}),
    },
  })
  if (optionGiven(input, 'no-wait')) return migration
  return watchToEnd(input, io, migration.uuid)
}

async function watchToEnd(input: Input, io: Io, uuid: string): Promise<Migration> {
  const migration = await watchMigration(input, io, uuid)
  if (migration.state === 'finished') await hintSpentKeys(input, io)
  return migration
}

function wishOf(input: Input): Wish {
  const [from, to, scope, kind] = ['from', 'to', 'scope', 'kind'].map((flag) =>
    optionText(input, flag),
  )
  return {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(scope === undefined ? {} : { scope: scope as NonNullable<Wish['scope']> }),
    ...(kind === undefined ? {} : { kind: kind as NonNullable<Wish['kind']> }),
  }
}

function printStarted(result: Plan | Migration | Scheduled, io: Io): void {
  if ('schedule' in result) {
    const { schedule } = result
    printFields({ 'scheduled reseal': schedule ? scheduleLine(schedule) : 'none' }, io)
    if (!schedule) io.hint('set keytrustee.reseal.older-than=90d and reload the server')
    return
  }
  if ('offenders' in result) printPlan(result, io)
  else printMigration(result, io)
}

function exitCodeOfStarted(result: Plan | Migration | Scheduled): number {
  return 'failed' in result ? exitCodeOf(result) : 0
}

/** In fields, and what to do next. */
export function printMigration(migration: Migration, io: Io): void {
  const { uuid, state, source, target, total, moved, overtaken, failed, startedBy, startedAt } =
    migration
  printFields(
    {
      migration: uuid,
      state,
      from: source,
      to: target,
      moved: `${moved} of ${total}`,
      'overtaken by other changes': overtaken === 0 ? undefined : overtaken,
      'could not be moved': failed === 0 ? undefined : failed,
      started: `${startedAt} by ${startedBy}`,
      ended: migration.endedAt,
      note: migration.note,
    },
    io,
  )
  const next = hints[state]
  if (next !== undefined) io.hint(next)
}

const hints: Readonly<Partial<Record<Migration['state'], string>>> = {
  moved:
    'all is moved; the former forms are kept: ktadmin migrate finish, or ktadmin migrate rollback',
  paused: 'to go on: ktadmin migrate resume; back: ktadmin migrate rollback',
  running: 'to see how far it is: ktadmin migrate status',
}

function parseDays(text: string): number {
  const days = /^(\d{1,5})d?$/.exec(text)?.[1]
  if (days === undefined) throw invalidInput('--older-than', 'must be a number of days, e.g. 90d')
  return Number(days)
}

function checkScope(text: string): void {
  if (!['deposit', 'organisation', 'service'].includes(text))
    throw invalidInput('--scope', 'must be deposit, organisation or service')
}

function checkKind(text: string): void {
  if (!['ec-p256', 'rsa-2048', 'rsa-3072', 'aes-256'].includes(text))
    throw invalidInput('--kind', 'must be ec-p256, rsa-2048, rsa-3072 or aes-256')
}
