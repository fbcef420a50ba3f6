/** Several servers as one: who is asked, and what is never asked twice by itself. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { defineRoute, toProblem } from '@keyhsm/protocol'
import Type from 'typebox'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { openCalls, originsOf } from '../../src/transport/servers.js'
import { makePair, type Pair, replyJson, startServer } from '../real-server.js'

const Anything = Type.Record(Type.String(), Type.Unknown())
const read = defineRoute({
  method: 'GET',
  path: '/v1/things',
  access: 'anyone',
  params: Anything,
  query: Anything,
  body: Anything,
  reply: Type.Object({ from: Type.String() }),
  success: 200,
  maxBodyBytes: 1024,
  deadlineMs: 5_000,
  summary: 'a route for tests',
})
const write = { ...read, method: 'POST' as const }

let folder: string
let pair: Pair
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'servers-'))
  pair = makePair(folder, 'lone')
})
afterAll(() => rmSync(folder, { recursive: true }))

type Answer = Parameters<typeof startServer>[0]

async function serve(name: string, fault?: DomainError) {
  let count = 0
  const answer: Answer = (_seen, response) => {
    count += 1
    if (!fault) return replyJson(response, { from: name })
    const problem = toProblem(fault)
    return replyJson(response, problem, problem.status)
  }
  const server = await startServer(answer, pair)
  onTestFinished(() => server.close())
  return { url: server.url, count: () => count }
}

function open(...urls: readonly string[]) {
  const calls = openCalls({ url: urls.join(','), tls: { ca: [pair.cert] } })
  onTestFinished(() => calls.destroy())
  return calls
}

const away = 'https://127.0.0.1:1'
const unavailable = () => new DomainError('ERR_STORE_UNAVAILABLE', 'no database')

it('goes to the next server when one is away, and stays there', async () => {
  const second = await serve('second')
  const calls = open(away, second.url)
  expect(await calls.call(write, { body: {} })).toEqual({ from: 'second' })
  expect(calls.peer).toBe(second.url)
})

it('asks another what changes nothing', async () => {
  const first = await serve('first', unavailable())
  const second = await serve('second')
  expect(await open(first.url, second.url).call(read)).toEqual({ from: 'second' })
})

it('does not repeat by itself what may have been processed; the next try goes elsewhere', async () => {
  const first = await serve('first', unavailable())
  const second = await serve('second')
  const calls = open(first.url, second.url)
  await expect(calls.call(write, { body: {} })).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
  })
  expect(second.count()).toBe(0)
  expect(await calls.call(write, { body: {} })).toEqual({ from: 'second' })
})

it('follows a server that names the one that takes writes', async () => {
  const third = await serve('third')
  const second = await serve('second')
  const named = new DomainError('ERR_STORE_UNAVAILABLE', 'a standby', { elsewhere: [third.url] })
  const first = await serve('first', named)
  const calls = open(first.url, second.url, third.url)
  expect(await calls.call(write, { body: {} })).toEqual({ from: 'third' })
  expect(second.count()).toBe(0)
})

it('takes a refusal for an answer', async () => {
  const first = await serve('first', new DomainError('ERR_NOT_FOUND', 'no such deposit'))
  const second = await serve('second')
  await expect(open(first.url, second.url).call(read)).rejects.toMatchObject({
    code: 'ERR_NOT_FOUND',
  })
  expect(second.count()).toBe(0)
})

it('says what became of the request when none can serve', async () => {
  const first = await serve('first', unavailable())
  await expect(open(first.url, away).call(read)).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
  })
})

it.each(['', 'https://a/,', 'https://a,https://a', 'http://a', 'https://a/x'])(
  'refuses the list %j',
  (text) => {
    expect(() => originsOf(text, '--server')).toThrow('--server')
  },
)
