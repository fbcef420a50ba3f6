/**
 * Goes through the steps of a dialogue. With a person it says, asks, checks, tells why something failed and asks again,
 * three times; without one it takes what was given, and checks that just as well. Nothing is saved here, so that Ctrl-C at
 * any question leaves everything as it was.
 */
import { type DomainError, hasCode, invalidInput, SecretBytes, toDomainError } from '@keyhsm/core'
import type { Io } from '@keyhsm/command-line'
import type { Hardware } from '../settings.js'
import { type Answers, checkAnswer } from './answers.js'
import type { CheckName, PlainAnswerName, Question, Step } from './dialogues.js'

/** How often one question is asked. */
export const maxTries = 3

/**
 * Looks outside whether an answer holds. @returns the text to keep where it is not the answer itself.
 * @throws a DomainError whose message says why not.
 */
export type Check = (answer: string, answers: Answers) => Promise<string | undefined>

export interface DialogueOptions {
  readonly hardware: Hardware
  readonly io: Io
  /** Whether somebody is asked. */
  readonly person: boolean
  /** Given otherwise: these are not asked. */
  readonly given: Answers
  /** Answers to an empty line: those of an earlier setup. */
  readonly earlier: Answers
  readonly pin: SecretBytes | undefined
  /** There is a stored password, which an empty answer keeps. */
  readonly keepsPin: boolean
  readonly checks: Readonly<Record<CheckName, Check>>
  readonly showCertificate: () => void
}

export interface DialogueResult {
  readonly answers: Answers
  /** Undefined: the stored one stays. */
  readonly pin: SecretBytes | undefined
}

/** @throws ERR_CONFLICT when the person ends it; ERR_INVALID_INPUT for what is missing; what the last failed check said. */
export async function runDialogue(
  steps: readonly Step[],
  o: DialogueOptions,
): Promise<DialogueResult> {
  const answers: Partial<Record<PlainAnswerName, string>> = {}
  let { pin } = o
  for (const step of steps) {
    if (typeof step === 'string') {
      if (o.person) say(o.io, step)
    } else if (step.ask === 'pin') {
      pin ??= await askPin(step, o)
    } else if (step.onlyIf === undefined || answers[step.onlyIf] === 'yes') {
      const answer = await settle(step, { o, answers })
      if (answer !== undefined) answers[step.ask] = answer
    } else if (o.given[step.ask] !== undefined) {
      throw invalidInput(`--${step.ask}`, `goes with --${step.onlyIf} yes`)
    }
  }
  return { answers, pin }
}

/** Asks for the password; an empty answer keeps the stored one. @throws ERR_INVALID_INPUT when nobody can be asked. */
async function askPin(
  question: Question,
  o: Pick<DialogueOptions, 'io' | 'hardware' | 'keepsPin' | 'person'>,
): Promise<SecretBytes | undefined> {
  if (!o.person) {
    if (o.keepsPin) return undefined
    const rule = 'is needed: give a file, "-" or the environment variable KEYHSM_PIN'
    throw invalidInput('--pin-file', rule)
  }
  return await tryAgain(o.io, async () => {
    const text = await o.io.askSecret(question.prompt, question.echo === 'stars' ? '*****' : '')
    if (text === '' && o.keepsPin) return undefined
    checkAnswer('pin', text, o.hardware)
    return SecretBytes.own(Buffer.from(text, 'utf8'))
  })
}

/** Runs `attempt` up to three times, saying in between why it failed; the last failure is thrown. */
export async function tryAgain<Value>(io: Io, attempt: () => Promise<Value>): Promise<Value> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt()
    } catch (thrown) {
      const error = toDomainError(thrown)
      const final = hasCode(error, 'ERR_CONFLICT') || hasCode(error, 'ERR_INTERNAL')
      if (tries === maxTries || final) throw error
      sayWhy(io, error)
    }
  }
}

/** Says why something failed, and what to do. */
export function sayWhy(io: Io, error: DomainError): void {
  io.words(error.message)
  for (const hint of error.hints) io.hint(hint)
}

/** A line of the dialogue: where the prompts go, so that standard output holds results only. */
export function say(io: Pick<Io, 'stderr'>, line: string): void {
  io.stderr.write(`${line}\n`)
}

interface Settling {
  readonly o: DialogueOptions
  readonly answers: Answers
}

async function settle(question: Question, at: Settling): Promise<string | undefined> {
  const { o } = at
  const given = o.given[question.ask as PlainAnswerName]
  if (given !== undefined || !o.person) {
    const answer = given ?? o.earlier[question.ask as PlainAnswerName] ?? question.fallback
    // The settings take YES and Yes too.
    const settled = question.yesOrNo ? answer?.toLowerCase() : answer
    if (settled !== undefined) return await check(question, settled, at)
    if (question.optional) return undefined
    throw invalidInput(`--${question.ask}`, 'is needed')
  }
  if (question.showsCertificate) o.showCertificate()
  return await tryAgain(o.io, async () => {
    const answer = await readAnswer(question, o)
    try {
      const kept = await check(question, answer, at)
      if (question.checked !== undefined) say(o.io, `${question.checked} :[ Successful ]`)
      if (question.says !== undefined) say(o.io, question.says.replace('{}', kept))
      return kept
    } catch (error) {
      if (question.checked !== undefined) say(o.io, `${question.checked} :[ Failed ]`)
      throw error
    }
  })
}

async function check(
  question: Question,
  answer: string,
  { o, answers }: Settling,
): Promise<string> {
  if (!question.yesOrNo) checkAnswer(question.ask, answer, o.hardware)
  const kept = question.check && (await o.checks[question.check](answer, answers))
  return kept ?? answer
}

async function readAnswer(question: Question, { io, earlier }: DialogueOptions): Promise<string> {
  const before = earlier[question.ask as PlainAnswerName]
  if (question.yesOrNo) return await readYesOrNo(question, before, io)
  const shown = before ?? (question.showsFallback ? question.fallback : undefined)
  const text = (await io.ask(`${question.prompt}${shown ? `[${shown}]` : ''}`)).trim()
  const answer = text || before || question.fallback
  if (!answer) throw invalidInput('answer', 'is needed')
  return answer
}

/** An earlier yes or no is the answer to an empty line; what was trusted earlier is not trusted again by one. */
async function readYesOrNo(
  { prompt, fallback = 'no' }: Question,
  earlier: string | undefined,
  io: Io,
): Promise<string> {
  const before = [earlier?.toLowerCase()].find((one) => one === 'yes' || one === 'no') ?? fallback
  const choice = before === 'yes' ? '[Y/n]' : '[y/N]'
  const text = (await io.ask(prompt.replace(/\[y\/n\]/i, choice))).trim().toLowerCase()
  if (text === '') return before
  if (['y', 'yes'].includes(text)) return 'yes'
  if (['n', 'no'].includes(text)) return 'no'
  throw invalidInput('answer', 'must be y or n')
}
