/** The options of every command that lays down a deposit's policy, and the wish they make. */
import { invalidInput, parseDuration } from '@keyhsm/core'
import { optionGiven, optionText, optionTexts } from './input.js'
import type { Input, Option } from './records.js'

/** A policy as the wire has it. */
export interface PolicyWish {
  notBefore?: string
  expiresAt?: string
  maxRetrievals?: number
  networks?: string[]
  clients?: string[]
  groups?: string[]
}

export const policyOptions: readonly Option[] = [
  {
    flag: 'not-before',
    value: 'TIME',
    describe: 'no retrieval before: 2027-01-31T12:00:00Z, or +2h from now',
    check: (text) => parseTime(text, '--not-before', new Date()),
  },
  {
    flag: 'expires-at',
    value: 'TIME',
    describe: 'no retrieval from then on',
    check: (text) => parseTime(text, '--expires-at', new Date()),
  },
  {
    flag: 'max-retrievals',
    value: 'N',
    describe: 'so many retrievals in all',
    check: (text) => parseCount(text),
  },
  { flag: 'single-use', describe: 'as --max-retrievals 1' },
  {
    flag: 'network',
    value: 'CIDR',
    repeatable: true,
    describe: 'only from this network, e.g. 192.0.2.0/24; may be given several times',
  },
  {
    flag: 'reader',
    value: 'CLIENT',
    repeatable: true,
    describe: 'this client may retrieve it too; may be given several times',
  },
  {
    flag: 'reader-group',
    value: 'GROUP',
    repeatable: true,
    describe: 'the clients of this group may retrieve it too',
  },
]

/** The wish that the options make; undefined when none of them was given. @throws ERR_INVALID_INPUT */
export function policyOf(input: Pick<Input, 'options'>, now = new Date()): PolicyWish | undefined {
  const notBefore = optionText(input, 'not-before')
  const expiresAt = optionText(input, 'expires-at')
  const maxRetrievals = countOf(input)
  const lists = {
    networks: optionTexts(input, 'network'),
    clients: optionTexts(input, 'reader'),
    groups: optionTexts(input, 'reader-group'),
  }
  const wish: PolicyWish = {
    ...(notBefore === undefined ? {} : { notBefore: parseTime(notBefore, '--not-before', now) }),
    ...(expiresAt === undefined ? {} : { expiresAt: parseTime(expiresAt, '--expires-at', now) }),
    ...(maxRetrievals === undefined ? {} : { maxRetrievals }),
    ...Object.fromEntries(
      Object.entries(lists).flatMap(([name, list]) => (list.length > 0 ? [[name, [...list]]] : [])),
    ),
  }
  return Object.keys(wish).length === 0 ? undefined : wish
}

function countOf(input: Pick<Input, 'options'>): number | undefined {
  const most = optionText(input, 'max-retrievals')
  if (!optionGiven(input, 'single-use')) return most === undefined ? undefined : parseCount(most)
  if (most !== undefined && parseCount(most) !== 1)
    throw invalidInput('--single-use', 'cannot be combined with --max-retrievals')
  return 1
}

function parseCount(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count < 1) throw invalidInput('--max-retrievals', 'must be a whole number from 1')
  return count
}

function parseTime(text: string, field: string, now: Date): string {
  if (text.startsWith('+'))
    return new Date(now.getTime() + parseDuration(text.slice(1), field)).toISOString()
  const instant = new Date(text)
  if (!/^\d{4}-\d{2}-\d{2}T/.test(text) || Number.isNaN(instant.getTime()))
    throw invalidInput(field, 'must be a time such as 2027-01-31T12:00:00Z or +2h')
  return instant.toISOString()
}
