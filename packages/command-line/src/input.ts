/** Typed access to a command's options, and the checks that its records ask for. */
import { invalidInput } from '@keyhsm/core'
import type { Call } from './grammar.js'
import type { Input, Io, Option } from './records.js'

/** The value of an option, undefined when it was not given. */
export function optionText(input: Pick<Input, 'options'>, flag: string): string | undefined {
  const value = input.options[flag]
  return typeof value === 'string' ? value : undefined
}

/** The value of an option. @throws ERR_INVALID_INPUT when it was not given. */
export function requiredText(input: Pick<Input, 'options'>, flag: string): string {
  const value = optionText(input, flag)
  if (value === undefined) throw invalidInput(`--${flag}`, 'is required')
  return value
}

/** Whether a switch was given. */
export function optionGiven(input: Pick<Input, 'options'>, flag: string): boolean {
  return input.options[flag] === true
}

/** All values of a repeatable option. */
export function optionTexts(input: Pick<Input, 'options'>, flag: string): readonly string[] {
  const value = input.options[flag]
  return Array.isArray(value) ? value : []
}

/**
 * Fills in options from the environment, warns about deprecated ones and applies every `check`.
 * @throws ERR_INVALID_INPUT naming the option or argument and its rule.
 */
export function checkCall(call: Call, io: Io): void {
  for (const option of call.command.options ?? []) {
    if (call.options[option.flag] !== undefined && option.deprecated !== undefined)
      io.words(`warning: --${option.flag} is deprecated: ${option.deprecated}`)
    call.options[option.flag] ??= fromEnvironment(option, io)
    checkOption(option, call.options[option.flag])
  }
  for (const argument of call.command.arguments ?? []) {
    const value = call.args[argument.name]
    if (value !== undefined) argument.check?.(value)
  }
}

function checkOption(option: Option, value: Input['options'][string]): void {
  if (option.required === true && value === undefined)
    throw invalidInput(`--${option.flag}`, 'is required')
  for (const text of [value].flat()) if (typeof text === 'string') option.check?.(text)
}

function fromEnvironment(option: Option, io: Io): Input['options'][string] {
  const text = option.env === undefined ? undefined : io.env[option.env]
  if (text === undefined || text === '') return undefined
  if (option.value === undefined) return ['1', 'true', 'yes'].includes(text.toLowerCase())
  return option.repeatable === true ? [text] : text
}
