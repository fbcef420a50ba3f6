/** Answers and the settings they become: which setting each is, what was answered before, and answers from a file. */
import { DomainError, invalidInput } from '@keyhsm/core'
import { nearestName, readSettingLines } from '@keyhsm/service'
import { schemaFor } from '../settings-schema.js'
import { commonSchema, type Hardware, secretSettings, vendorPrefix } from '../settings.js'
import type { AnswerName, PlainAnswerName } from './dialogues.js'
import type { Changes } from './settings-text.js'

/** Answers as text; the password is never among them. */
export type Answers = Readonly<Partial<Record<PlainAnswerName, string>>>

const settingNames: Readonly<Record<PlainAnswerName, (prefix: string) => string>> = {
  address: () => commonSchema.address.name,
  port: () => commonSchema.port.name,
  'token-label': (prefix) => `${prefix}.token.label`,
  slot: (prefix) => `${prefix}.slot`,
  'library-parameters': (prefix) => `${prefix}.library.parameters`,
  user: (prefix) => `${prefix}.username`,
  'hsm-address': (prefix) => `${prefix}.address`,
  'hsm-port': (prefix) => `${prefix}.port`,
  ssl: (prefix) => `${prefix}.ssl`,
  'server-fingerprint': (prefix) => `${prefix}.certificate`,
}

/** The setting that holds an answer. */
export function settingOf(answer: AnswerName, hardware: Hardware): string {
  return answer === 'pin'
    ? secretSettings[hardware].name
    : settingNames[answer](vendorPrefix[hardware])
}

/** Applies the rule of the setting. @throws ERR_INVALID_INPUT naming it. */
export function checkAnswer(answer: AnswerName, text: string, hardware: Hardware): void {
  const name = settingOf(answer, hardware)
  const spec = Object.values(schemaFor(hardware)).find((one) => one.name === name)
  if (spec === undefined) throw invalidInput(`--${answer}`, 'is not asked of this HSM')
  spec.parse(text, answer === 'pin' ? 'password' : answer)
}

/** The answers of an earlier setup, from its settings file; nothing for another HSM than the file's but the common ones. */
export function readEarlierAnswers(text: string | undefined, hardware: Hardware): Answers {
  if (text === undefined) return {}
  const lines = readSettingLines(text, 'application.properties')
  const names = Object.keys(settingNames) as PlainAnswerName[]
  const found = names.flatMap((answer) => {
    const line = lines.find(({ name }) => name === settingOf(answer, hardware))
    return line === undefined ? [] : [[answer, line.text] as const]
  })
  return Object.fromEntries(found)
}

/** What is written for the answers. */
export function toChanges(answers: Answers, hardware: Hardware): Changes {
  const entries = Object.entries(answers) as [PlainAnswerName, string][]
  return Object.fromEntries(entries.map(([name, text]) => [settingOf(name, hardware), text]))
}

/** What a line of the answers file begins with that is `--hsm-env NAME=VALUE` on the command line. */
export const variablePrefix = 'hsm-env.'

/**
 * The options in a file of `option = value` lines, as they would be given without their dashes.
 * @throws ERR_SETTINGS with every line that is no such option; a password is refused, as the file need not be secret.
 */
export function parseAnswersFile(
  text: string,
  options: readonly string[],
): Readonly<Record<string, string>> {
  const lines = readSettingLines(text, 'the answers file')
  const faults = lines.flatMap(({ name, line }) => {
    if (options.includes(name) || name.startsWith(variablePrefix)) return []
    return [{ field: name, rule: ruleOf(name, options), line }]
  })
  if (faults.length > 0) {
    const detail = faults.map(({ field, rule, line }) => `line ${line}: ${field} ${rule}`)
    throw new DomainError('ERR_SETTINGS', `the answers file: ${detail.join('; ')}`, { faults })
  }
  return Object.fromEntries(lines.map(({ name, text: value }) => [name, value]))
}

function ruleOf(name: string, options: readonly string[]): string {
  if (/pin|password|secret/i.test(name)) {
    return 'may not stand here: give the password by --pin-file, standard input or KEYHSM_PIN'
  }
  if (name === 'hsm-env') return `stands as ${variablePrefix}NAME = VALUE`
  const nearest = nearestName(name, options)
  return `is no answer${nearest ? `; did you mean ${nearest}?` : ''}`
}
