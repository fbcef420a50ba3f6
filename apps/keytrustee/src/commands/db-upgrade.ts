/** `ktadmin db upgrade`: the private database with a newer major version of PostgreSQL. */
import { type Command, type Input, type Io, optionGiven, optionText } from '@keyhsm/command-line'
import { DomainError, invalidInput } from '@keyhsm/core'
import { daemonState } from '@keyhsm/service'
import { planUpgrade, upgradeCluster, type UpgradePlan } from '../cluster/index.js'
import { pathsIn } from '../paths.js'
import { privateDirectory } from './private-directory.js'

interface Upgraded extends UpgradePlan {
  /** False for a plan alone. */
  readonly done: boolean
}

export const dbUpgradeCommand: Command = {
  name: 'db upgrade',
  summary: 'move the private database to a newer major version of PostgreSQL (pg_upgrade)',
  options: [
    { flag: 'dry-run', describe: 'only say what would be done, with which programs' },
    {
      flag: 'to',
      value: 'MAJOR',
      describe: 'major version; default: the newest that is installed',
      check: parseMajor,
    },
  ],
  run: upgrade,
  print({ from, to, former, steps, done }: Upgraded, io: Io) {
    if (!done) {
      io.stdout.write(`dry run: PostgreSQL ${from} to ${to}\n`)
      steps.forEach((step, index) => io.stdout.write(`${index + 1}. ${step}\n`))
      return
    }
    io.stdout.write(`the database is one of PostgreSQL ${to}\n`)
    io.hint('next: keytrustee-server start; ktadmin doctor; ktadmin backup')
    io.hint(`then remove the former data: ${former}`)
  },
}

async function upgrade(input: Input, io: Io): Promise<Upgraded> {
  const directory = await privateDirectory(input)
  const to = optionText(input, 'to')
  const options = { directory, ...(to === undefined ? {} : { to }) }
  if (optionGiven(input, 'dry-run')) return { ...(await planUpgrade(options)), done: false }
  if (daemonState(pathsIn(input.home.keytrustee).pidFile).running)
    throw new DomainError('ERR_CONFLICT', 'the server runs, and needs the database', {
      hints: ['stop it first: keytrustee-server stop'],
    })
  return { ...(await upgradeCluster({ ...options, onStep: (step) => io.words(step) })), done: true }
}

function parseMajor(text: string): void {
  if (!/^[1-9]\d?$/.test(text)) throw invalidInput('--to', 'must be a major version, such as 16')
}
