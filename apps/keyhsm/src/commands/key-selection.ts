/** Which keys a command is about: a whole label or id, a pattern, or a handle and a date. */
import { type Argument, type Input, type Io, type Option, optionText } from '@keyhsm/command-line'
import { DomainError, invalidInput, parseHandle } from '@keyhsm/core'
import { parseBackendName } from '../backend-names.js'
import { isCutHandle } from '../keys/labels.js'
import type { AdministeredKey, KeyAccess } from './key-access.js'

export const keyArgument: Argument = {
  name: 'KEY',
  describe: 'label, id, or a pattern of labels with * and ? (quote it)',
  optional: true,
}

export const backendOption: Option = {
  flag: 'backend',
  value: 'NAME',
  describe: 'in this HSM alone; absent: in every one',
  check: (text) => parseBackendName(text, '--backend'),
}

export const selectionOptions: readonly Option[] = [
  backendOption,
  {
    flag: 'handle',
    value: 'H',
    describe: 'keys made for deposits under this handle',
    check: (text) => parseHandle(text, '--handle'),
  },
  {
    flag: 'date',
    value: 'D',
    describe: 'keys made on this UTC date, yyyy-mm-dd',
    check: parseDate,
  },
]

/** What was asked for, in words for messages. */
export interface Selection {
  readonly words: string
  matches(key: AdministeredKey): boolean
  /** A whole label or id, which the service looks up by itself. */
  readonly name?: string
}

/** Undefined when nothing was said: all keys. @throws ERR_INVALID_INPUT for two ways of naming keys at once. */
export function readSelection(input: Input): Selection | undefined {
  const name = input.args[keyArgument.name]
  const [handle, date] = [optionText(input, 'handle'), optionText(input, 'date')]
  if (name !== undefined && handle !== undefined) {
    throw invalidInput('--handle', 'cannot be combined with a label, id or pattern')
  }
  const rules = [
    name === undefined ? undefined : nameRule(name),
    handle === undefined ? undefined : handleRule(handle),
    date === undefined ? undefined : dateRule(date),
  ].filter((rule) => rule !== undefined)
  if (rules.length === 0) return undefined
  return {
    words: rules.map(({ words }) => words).join(', '),
    ...(name === undefined || isPattern(name) ? {} : { name }),
    matches: (key) => rules.every((rule) => rule.fits(key)),
  }
}

interface Rule {
  readonly words: string
  fits(key: AdministeredKey): boolean
}

function nameRule(name: string): Rule {
  const pattern = toExpression(name)
  return {
    words: name,
    fits: isPattern(name)
      ? ({ label }) => pattern.test(label)
      : ({ label, id }) => label === name || id === name,
  }
}

function handleRule(handle: string): Rule {
  return { words: `handle ${handle}`, fits: (key) => isOfHandle(key, handle) }
}

function dateRule(date: string): Rule {
  return { words: `date ${date}`, fits: ({ createdOn }) => createdOn === date }
}

function isPattern(name: string): boolean {
  return /[*?]/.test(name)
}

/** Says whose keys are missing. */
export function sayUnreachable({ unreachable }: KeyAccess, io: Io): void {
  for (const name of unreachable)
    io.words(`warning: the HSM ${name} cannot be asked now: its keys are not among these`)
}

/** The keys that are meant, in the order of their labels. */
export async function findKeys(
  keys: KeyAccess,
  selection: Selection | undefined,
): Promise<AdministeredKey[]> {
  const listed = await keys.list(selection?.name)
  const found = selection ? listed.filter((key) => selection.matches(key)) : listed
  return found.toSorted((a, b) =>
    a.label === b.label ? compare(a.id, b.id) : compare(a.label, b.label),
  )
}

/** @throws ERR_NOT_FOUND when none is meant; ERR_HSM_UNAVAILABLE when it may be in an HSM that cannot be asked. */
export async function findSome(keys: KeyAccess, selection: Selection): Promise<AdministeredKey[]> {
  const found = await findKeys(keys, selection)
  if (found.length > 0) return found
  if (keys.unreachable.length > 0) {
    const names = keys.unreachable.join(', ')
    throw new DomainError(
      'ERR_HSM_UNAVAILABLE',
      `no HSM key fits, and these HSMs cannot be asked now: ${names}`,
    )
  }
  throw new DomainError('ERR_NOT_FOUND', `no HSM key fits: ${selection.words}`, {
    hints: ['keyhsm keys list shows all'],
  })
}

/** A label holds the beginning of a long handle only, and a hash that tells it from others. */
function isOfHandle({ handle, purpose }: AdministeredKey, wanted: string): boolean {
  if (handle === undefined || (purpose !== 'deposit' && purpose !== 'unknown')) return false
  return handle === wanted || isCutHandle(handle, wanted)
}

function toExpression(pattern: string): RegExp {
  const parts = pattern.split(/([*?])/).map((part) => {
    if (part === '*') return '.*'
    return part === '?' ? '.' : part.replaceAll(/[\\^$.+()[\]{}|]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('')}$`, 'su')
}

function parseDate(text: string): void {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))
  if (!isDate) throw invalidInput('--date', 'must be a date such as 2026-11-22')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
