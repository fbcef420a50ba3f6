import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { readPrompted } from '../src/prompt.js'

/** A stream that behaves as a terminal does for readline. */
function terminal() {
  return Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
}

describe('readPrompted', () => {
  it('shows the prompt and takes one line of a pipe, keeping the rest for the next question', async () => {
    const stdin = Readable.from([Buffer.from('one\r\nt'), Buffer.from('wo\nthree')])
    const stderr = new PassThrough()
    const question = { stdin, stderr, prompt: '? ', echo: true }
    expect(await readPrompted(question)).toBe('one')
    expect(await readPrompted(question)).toBe('two')
    expect(await readPrompted(question)).toBe('three')
    await expect(readPrompted(question)).rejects.toThrow('answer is missing: the input ended')
    expect(String(stderr.read())).toBe('? ? ? ? ')
  })

  it('does not echo a secret on a terminal', async () => {
    const stdin = terminal()
    const stderr = new PassThrough()
    const answer = readPrompted({ stdin, stderr, prompt: 'PIN: ', echo: false })
    stdin.write('marked-secret\r')
    expect(await answer).toBe('marked-secret')
    expect(String(stderr.read())).toBe('PIN: \n')
  })

  it('ends with an error at Ctrl-C and at the end of input', async () => {
    const stdin = terminal()
    const answer = readPrompted({ stdin, stderr: new PassThrough(), prompt: '', echo: false })
    stdin.write('\u0003')
    await expect(answer).rejects.toThrow('interrupted')
    const closed = terminal()
    const none = readPrompted({ stdin: closed, stderr: new PassThrough(), prompt: '', echo: true })
    closed.end()
    await expect(none).rejects.toThrow('the input ended')
  })
})
