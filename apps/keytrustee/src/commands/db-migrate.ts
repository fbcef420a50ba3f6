/** `ktadmin db migrate`: brings the schema up to this release, or says what that would do. */
import { type Command, type Input, type Io, optionGiven, optionText } from '@keyhsm/command-line'
import { pathsIn } from '../paths.js'
import { withOwnerAddress } from '../service/database.js'
import { readSettings } from '../settings.js'
import { installSchema } from '../store/postgres/install-schema.js'
import {
  assumedBytesPerSecond,
  type PlannedLock,
  type PlannedMigration,
  planMigrations,
  type SchemaPlan,
} from '../store/postgres/plan-migrations.js'
import { databaseGiven, urlOptions } from './database-options.js'

interface Migrated extends SchemaPlan {
  /** False for a plan alone. */
  readonly done: boolean
}

export const dbMigrateCommand: Command = {
  name: 'db migrate',
  summary: 'bring the schema of the database up to this release',
  options: [
    {
      flag: 'dry-run',
      describe:
        'only say which migrations would run, what each changes, what it locks and how long',
    },
    ...urlOptions,
    {
      flag: 'service-role',
      value: 'ROLE',
      describe: 'give this role what the service needs, if another owns the schema',
    },
  ],
  run: migrate,
  print: printPlan,
}

/** With --url as the role that it names, which may be another than the service's. */
async function migrate(input: Input, io: Io): Promise<Migrated> {
  const paths = pathsIn(input.home.keytrustee)
  const given = databaseGiven(input)
  const settings = given.databaseUrl === undefined ? await readSettings(paths) : given
  return withOwnerAddress(paths, settings, async ({ address, serviceRole: own }) => {
    const plan = await planMigrations(address)
    if (optionGiven(input, 'dry-run')) return { ...plan, done: false }
    for (const { version, name } of plan.migrations) io.words(`to run: ${version} ${name}`)
    const role = optionText(input, 'service-role') ?? own
    await installSchema({ address, ...(role === undefined ? {} : { serviceRole: role }) })
    return { ...plan, done: true }
  })
}

function printPlan({ installed, known, done, migrations }: Migrated, io: Io): void {
  const line = (text: string) => io.stdout.write(`${text}\n`)
  if (migrations.length === 0)
    return void line(`the schema is at version ${known}: nothing is missing`)
  for (const migration of migrations) for (const text of describe(migration)) line(text)
  const works = migrations.flatMap(({ locks }) => locks.map(({ work }) => work))
  if (!done && works.some((work) => work !== 'catalogue')) line(assumption)
  line(
    done
      ? `the schema is at version ${known} (before: ${installed})`
      : `dry run: the schema stays at version ${installed}; this program's is ${known}`,
  )
}

function describe({ version, name, changes, aboutMs, locks }: PlannedMigration): string[] {
  const held = locks.length === 0 ? 'locks nothing that is in use' : `locks ${seconds(aboutMs)}`
  return [`${version} ${name}: ${changes}`, `  ${held}`, ...locks.map(describeLock)]
}

const megabyte = 1_000_000
const assumption = `times are estimated, not measured: ${assumedBytesPerSecond.scan / megabyte} MB/s read and \
${assumedBytesPerSecond.rewrite / megabyte} MB/s written are assumed; a busy or slow disk takes longer`

const works: Readonly<Record<PlannedLock['work'], string>> = {
  catalogue: 'no row is read',
  scan: 'every row is read',
  rewrite: 'every row is written again',
}

function describeLock({ table, stops, work, rows, bytes }: PlannedLock): string {
  const waits = stops === 'all' ? 'reads and writes wait' : 'writes wait'
  return `    ${table} (${rows} rows, ${Math.ceil(bytes / 1024)} KiB): ${waits}, ${works[work]}`
}

function seconds(ms: number): string {
  return ms < 1000 ? 'for less than a second' : `for about ${Math.ceil(ms / 1000)} s`
}
