/** `keyhsm backend`: the HSMs of this Key HSM. A further one is added by `keyhsm setup … --backend NAME`. */
import {
  type Argument,
  type Command,
  type Input,
  type Io,
  optionGiven,
  printTable,
} from '@keyhsm/command-line'
import { DomainError, hasCode, toDomainError } from '@keyhsm/core'
import { keyHsmStatusRoute, type ReplyOf } from '@keyhsm/protocol'
import { editSettings } from '@keyhsm/service'
import { parseBackendName } from '../backend-names.js'
import { readShownConfiguration, type ShownConfiguration } from '../configuration.js'
import { readTextIfThere } from '../files.js'
import { latchOf, releaseLatch } from '../login-latch.js'
import { noSuchBackend } from '../partition/partitions.js'
import { type Paths, pathsIn } from '../paths.js'
import { commonSchema } from '../settings.js'
import { withoutBackend, withoutFirst } from '../setup/remove-backend.js'
import { changeSettings } from './change-settings.js'
import { withKeys } from './key-access.js'
import { isRunning, withService } from './with-service.js'

type Shown = ReplyOf<typeof keyHsmStatusRoute>['backends'][number]

type Row = Partial<Omit<Shown, 'state'>> & {
  readonly name: string
  readonly default: boolean
  readonly hardware: string
  readonly state: Shown['state'] | 'not running'
}

interface Changed {
  readonly backend: string
  readonly takenOver: boolean
  readonly hints: readonly string[]
}

const nameArgument: Argument = {
  name: 'NAME',
  describe: 'name of the HSM, as keyhsm backend list shows it',
  check: (text) => parseBackendName(text, 'NAME'),
}

export const backendListCommand: Command = {
  name: 'backend list',
  summary: 'list the HSMs of this Key HSM, and how they are',
  async run({ home }): Promise<readonly Row[]> {
    const paths = pathsIn(home.keyhsm)
    if (!isRunning(paths)) return await listAlone(paths)
    const status = await withService(paths, (service) => service.call(keyHsmStatusRoute, {}))
    return status.backends
  },
  print: (rows: readonly Row[], io) =>
    printTable(rows, ['name', 'default', 'hardware', 'state', 'keys', 'device', 'domain'], io),
}

export const backendDefaultCommand: Command = {
  name: 'backend default',
  summary: 'choose the HSM for new deposits; those that are there stay where they are',
  arguments: [nameArgument],
  async run(input): Promise<Changed> {
    const { paths, name, backends } = await readCall(input)
    const setting = commonSchema.defaultBackend.name
    const isFirst = backends[0].name === name
    const takenOver = await changeSettings(paths, (text) =>
      editSettings(text, { [setting]: isFirst ? undefined : name }),
    )
    const hints = ['Trustee Servers go on sealing in the HSM that they joined: ktadmin migrate']
    return { backend: name, takenOver, hints }
  },
  print: ({ backend, ...changed }: Changed, io) =>
    printChanged(`${backend} is the HSM for new deposits`, changed, io),
}

export const backendRemoveCommand: Command = {
  name: 'backend remove',
  summary: 'take an HSM away from this Key HSM; nothing in the HSM is touched',
  arguments: [nameArgument],
  options: [
    {
      flag: 'leave-keys',
      describe: 'although HSM keys of deposits are in it, or it cannot be asked',
    },
  ],
  async run(input): Promise<Changed> {
    const { paths, name, backends, defaultBackend } = await readCall(input)
    requireOther(name, { backends, defaultBackend })
    const left = await countDepositKeys(paths, name).catch((error: unknown) => toDomainError(error))
    if (!optionGiven(input, 'leave-keys')) requireEmpty(name, left)
    const isFirst = backends[0].name === name
    const takenOver = await changeSettings(paths, (text, key) =>
      isFirst
        ? withoutFirst(text, paths, { heir: defaultBackend, key })
        : withoutBackend(text, paths, name),
    )
    await releaseLatch(latchOf(paths, name))
    return { backend: name, takenOver, hints: ['its keys are in the HSM as before'] }
  },
  print: ({ backend, ...changed }: Changed, io) =>
    printChanged(`${backend} is taken away`, changed, io),
}

async function readCall(input: Input) {
  const paths = pathsIn(input.home.keyhsm)
  const name = input.args[nameArgument.name] ?? ''
  const { backends, defaultBackend } = await readShownConfiguration(paths)
  if (!backends.some((one) => one.name === name)) throw noSuchBackend(name, backends)
  return { paths, name, backends, defaultBackend }
}

async function listAlone(paths: Paths): Promise<readonly Row[]> {
  const { backends, defaultBackend } = await readShownConfiguration(paths)
  return await Promise.all(
    backends.map(async ({ name, device, settings }): Promise<Row> => {
      const latched = (await readTextIfThere(latchOf(paths, name))) !== undefined
      const { domain } = settings
      return {
        name,
        default: name === defaultBackend,
        hardware: device.hardware,
        state: latched ? 'login-refused' : 'not running',
        ...(domain === undefined ? {} : { domain }),
      }
    }),
  )
}

/** @throws ERR_CONFLICT for the one that new deposits go to. */
function requireOther(
  name: string,
  { backends, defaultBackend }: Pick<ShownConfiguration, 'backends' | 'defaultBackend'>,
): void {
  if (name !== defaultBackend) return
  const hint =
    backends.length > 1
      ? 'keyhsm backend default OTHER, then again'
      : 'it is the only one: keyhsm setup … --backend OTHER, then keyhsm backend default OTHER'
  throw new DomainError('ERR_CONFLICT', `new deposits go to ${name}`, { hints: [hint] })
}

/** Keys that deposits are sealed under, of whatever realm. */
async function countDepositKeys(paths: Paths, name: string): Promise<number> {
  const own = ['auth', 'canary', 'audit', 'pool']
  const keys = await withKeys(paths, (access) => access.list(), name)
  return keys.filter(({ purpose }) => !own.includes(purpose)).length
}

/** @throws ERR_CONFLICT while deposits may be sealed in it; why it cannot be known. */
function requireEmpty(name: string, left: number | DomainError): void {
  const hints = [
    'move the deposits first: ktadmin migrate',
    'or add --leave-keys: what is sealed under them opens again when the HSM is set up again',
  ]
  if (left instanceof DomainError) {
    const code = hasCode(left, 'ERR_HSM_LOGIN') ? 'ERR_HSM_LOGIN' : 'ERR_HSM_UNAVAILABLE'
    const detail = `${name} cannot be asked for its keys: ${left.message}`
    throw new DomainError(code, detail, { hints, cause: left })
  }
  if (left === 0) return
  throw new DomainError('ERR_CONFLICT', `${left} HSM keys of deposits are in ${name}`, { hints })
}

function printChanged(what: string, { takenOver, hints }: Omit<Changed, 'backend'>, io: Io): void {
  io.words(what)
  io.words(takenOver ? 'the running service has taken it over' : 'takes effect at the next start')
  for (const hint of hints) io.words(`hint: ${hint}`)
}
