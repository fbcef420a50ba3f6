/** One question, one line of answer. Prompts go to standard error, so that standard output holds results only. */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { DomainError, invalidInput } from '@keyhsm/core'

export interface Question {
  readonly stdin: NodeJS.ReadableStream
  readonly stderr: NodeJS.WritableStream
  readonly prompt: string
  readonly echo: boolean
  /** Shown in place of an answer that is not echoed. */
  readonly shown?: string
}

/** Lines that came with an earlier answer's chunk, a stream: a pipe delivers several at once. */
const leftOver = new WeakMap<NodeJS.ReadableStream, string>()

/**
 * The answer without its line end.
 * @throws ERR_INVALID_INPUT when input ends before a line; ERR_CONFLICT when the person presses Ctrl-C.
 */
export async function readPrompted(question: Question): Promise<string> {
  question.stderr.write(question.prompt)
  const { stdin, echo } = question
  const isTerminal = 'isTTY' in stdin && stdin.isTTY === true
  if (!isTerminal) return await readPipedLine(stdin)
  return echo ? await readVisibleLine(stdin) : await readHiddenLine(question)
}

/**
 * The terminal itself echoes and edits a visible answer, hands over whole lines, and turns Ctrl-C into a signal. Observed
 * (Node 20): after readline has paused a terminal, `readable` never comes again, but `data` does.
 */
function readVisibleLine(stdin: NodeJS.ReadableStream): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    let text = ''
    const settle = (end: () => void) => {
      stdin.removeListener('data', onData).removeListener('end', onEnd)
      stdin.removeListener('error', onError)
      stdin.pause()
      end()
    }
    const onData = (chunk: Buffer | string) => {
      text += chunk.toString()
      if (text.includes('\n')) settle(() => resolve(text.slice(0, text.indexOf('\n'))))
    }
    const onEnd = () => settle(() => reject(inputEnded()))
    const onError = (error: Error) => settle(() => reject(error))
    stdin.on('data', onData).once('end', onEnd).once('error', onError)
    stdin.resume()
  }).then((line) => line.replace(/\r$/, ''))
}

function readHiddenLine({ stdin, stderr, shown = '' }: Question): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: stdin, output: silent, terminal: true })
  return new Promise((resolve, reject) => {
    lines.once('SIGINT', () => reject(new DomainError('ERR_CONFLICT', 'interrupted')))
    lines.once('line', resolve)
    lines.once('close', () => reject(inputEnded()))
  }).finally(() => {
    lines.close()
    stderr.write(`${shown}\n`)
  }) as Promise<string>
}

async function readPipedLine(stdin: NodeJS.ReadableStream): Promise<string> {
  let text = leftOver.get(stdin) ?? ''
  while (!text.includes('\n')) {
    const chunk = await nextChunk(stdin)
    if (chunk === undefined) break
    text += chunk
  }
  if (text === '') throw inputEnded()
  const end = text.indexOf('\n')
  leftOver.set(stdin, end < 0 ? '' : text.slice(end + 1))
  return (end < 0 ? text : text.slice(0, end)).replace(/\r$/, '')
}

/** The next piece of `stdin`, undefined at its end; the stream stays usable for the next question. */
async function nextChunk(stdin: NodeJS.ReadableStream): Promise<string | undefined> {
  for (;;) {
    const chunk = stdin.read()
    if (chunk !== null) return chunk.toString()
    if (!stdin.readable) return undefined
    const ended = await new Promise<boolean>((resolve, reject) => {
      const settle = (value: boolean) => () => {
        stdin.removeListener('readable', onReadable).removeListener('end', onEnd)
        stdin.removeListener('error', reject)
        resolve(value)
      }
      const onReadable = settle(false)
      const onEnd = settle(true)
      stdin.once('readable', onReadable).once('end', onEnd).once('error', reject)
    })
    if (ended) return undefined
  }
}

function inputEnded(): DomainError {
  return invalidInput('answer', 'is missing: the input ended')
}
