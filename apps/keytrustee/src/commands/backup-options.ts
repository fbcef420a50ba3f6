/** Options that several commands about backups share. */
import { type Input, type Io, type Option, optionText } from '@keyhsm/command-line'
import { type AgeKey, parseIdentityFile } from '@keyhsm/client'
import { invalidInput } from '@keyhsm/core'

export function identityOption(describe: string, required: boolean): Option {
  return { flag: 'identity', value: 'F', file: true, secret: true, describe, required }
}

/** What opens the backup; undefined when no identity was given. @throws ERR_INVALID_INPUT */
export function findKey(input: Input): AgeKey | undefined {
  const file = input.files['identity']
  return file && { identity: parseIdentityFile(file.toString('utf8')) }
}

/** As {@link findKey}, where it is needed. @throws ERR_INVALID_INPUT */
export function readKey(input: Input): AgeKey {
  const key = findKey(input)
  if (key) return key
  throw invalidInput('--identity', 'must name the file of the identity that opens the backup')
}

/** A whole number from 1; undefined when it was not given. */
export function countOption(input: Input, flag: string): number | undefined {
  const text = optionText(input, flag)
  return text === undefined ? undefined : parseCount(flag)(text)
}

/** Check of an option. @throws ERR_INVALID_INPUT */
export function parseCount(flag: string) {
  return (text: string): number => {
    if (/^[1-9]\d{0,4}$/.test(text)) return Number(text)
    throw invalidInput(`--${flag}`, 'must be a whole number from 1 to 99999')
  }
}

const progressEveryMs = 5_000

/** Says how far long work is, not more often than every five seconds. */
export function progressTo(io: Io): (line: string) => void {
  let last = Date.now()
  return (line) => {
    if (Date.now() - last < progressEveryMs) return
    last = Date.now()
    io.words(line)
  }
}
