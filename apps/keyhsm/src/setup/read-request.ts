/** What a call of setup asks for: options and the answers file together, checked, as answers and as settings. */
import { resolve } from 'node:path'
import { type Input, type Io, optionText, optionTexts } from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import { answerOptions, settingOptions } from './options.js'
import { readSettingLines, type SettingsSchema } from '@keyhsm/service'
import { backendSchemaFor, schemaFor } from '../settings-schema.js'
import { configVariableOf, findLibrary } from '../drivers.js'
import { readTextIfThere } from '../files.js'
import { installed, manualHome } from '../paths.js'
import { vendorPrefix } from '../settings.js'
import {
  type Answers,
  checkAnswer,
  parseAnswersFile,
  settingOf,
  variablePrefix,
} from './answers.js'
import { isAsked, type PlainAnswerName } from './dialogues.js'
import type { Changes, Written } from './settings-text.js'

export interface SetupRequest {
  readonly answers: Answers
  readonly changes: Changes
}

/** Options whose value is a path, which may be relative to where the command is typed. */
const pathOptions = ['library', 'config', 'directory']

/** @throws ERR_INVALID_INPUT, ERR_SETTINGS for what is no option, is not for this HSM or breaks its rule. */
export function readRequest(input: Input, whose: Written): SetupRequest {
  const { hardware } = whose
  const flags = [...answerOptions, ...settingOptions].map(({ flag }) => flag)
  const file = input.files['answers']
  const written = file === undefined ? {} : parseAnswersFile(file.toString('utf8'), flags)
  const valueOf = (flag: string) => {
    const text = optionText(input, flag) ?? written[flag]
    return text !== undefined && pathOptions.includes(flag) ? resolve(text) : text
  }
  const answers: Partial<Record<PlainAnswerName, string>> = {}
  const changes: Record<string, string> = {}
  for (const { flag } of answerOptions) {
    const text = valueOf(flag)
    if (text === undefined) continue
    const setting = settingOf(flag, hardware)
    requireOwn(flag, setting, whose)
    checkAnswer(flag, text, hardware)
    if (isAsked(flag, hardware)) answers[flag] = text
    else changes[setting] = text
  }
  for (const { flag, setting } of settingOptions) {
    const text = valueOf(flag)
    if (text === undefined) continue
    const name = setting.startsWith('.') ? `${vendorPrefix[hardware]}${setting}` : setting
    requireOwn(flag, name, whose)
    changes[name] = text
  }
  const variables = { ...variablesIn(written), ...variablesOf(optionTexts(input, 'hsm-env')) }
  for (const [name, text] of Object.entries(variables)) {
    requireOwn('hsm-env', 'keyhsm.hsm.env.', whose)
    changes[`keyhsm.hsm.env.${name}`] = text
  }
  return { answers, changes }
}

/** Of the answers file: `hsm-env.NAME = VALUE`, as a name stands in it once. */
function variablesIn(written: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const lines = Object.entries(written).filter(([name]) => name.startsWith(variablePrefix))
  return Object.fromEntries(lines.map(([name, text]) => [name.slice(variablePrefix.length), text]))
}

/** @throws ERR_INVALID_INPUT for what is no NAME=VALUE */
function variablesOf(texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((text) => {
    const at = text.indexOf('=')
    if (at < 1) throw invalidInput('--hsm-env', 'must be NAME=VALUE')
    return [text.slice(0, at), text.slice(at + 1)] as const
  })
  return Object.fromEntries(pairs)
}

function requireOwn(flag: string, setting: string, { hardware, place }: Written): void {
  const isIn = (schema: SettingsSchema) =>
    Object.values(schema).some(({ name }) => name === setting)
  if (!isIn(schemaFor(hardware))) {
    throw invalidInput(`--${flag}`, `is not for ${vendorPrefix[hardware]}`)
  }
  if (place !== undefined && !isIn(backendSchemaFor(hardware))) {
    throw invalidInput(`--${flag}`, 'is for all HSMs together: give it without --backend')
  }
}

interface Surroundings extends Written {
  readonly home: string
  /** The view of this backend in the present file. */
  readonly settings: string | undefined
}

/**
 * What is found rather than asked, where neither the call nor an earlier setup says it: the vendor's library, its
 * configuration file, the port that the old product's start script gave the hardserver, the software token's folder.
 */
export async function findUnasked(
  io: Pick<Io, 'env'>,
  { home, settings, hardware, place }: Surroundings,
): Promise<Changes> {
  const prefix = vendorPrefix[hardware]
  const found: Record<string, string | undefined> = {}
  const directory = place === undefined ? 'soft-token' : `soft-token-${place}`
  if (hardware === 'soft-token') found['soft-token.directory'] = `${home}/${directory}`
  if (hardware !== 'soft-token' && hardware !== 'keysecure') {
    const variable = configVariableOf(hardware)
    // What the vendor's tools were told by the environment holds for the service too, which has another environment.
    found[`${prefix}.config`] = variable && (io.env[variable] || undefined)
    found[`${prefix}.library`] = await findLibrary(hardware)
  }
  if (hardware === 'ncipher') found['thales.nfast_server_port'] = await findHardserverPort(home)
  const lines = settings === undefined ? [] : readSettingLines(settings, 'application.properties')
  const isNew = ([known]: [string, unknown]) => !lines.some(({ name }) => name === known)
  return Object.fromEntries(Object.entries(found).filter(isNew))
}

/**
 * The manual's way of telling the old product: a Java property in `start.sh`. An installed Key HSM that found the old product in the
 * manual's place has its own home elsewhere, so that place is looked at too.
 */
async function findHardserverPort(home: string): Promise<string | undefined> {
  const old = home === installed.keyhsm ? manualHome : home
  const script = await readTextIfThere(`${old}/start.sh`)
  return script && /-DNFAST_SERVER_PORT=\s*(\d{1,5})\b/.exec(script)?.[1]
}
