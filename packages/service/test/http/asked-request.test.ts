import { once } from 'node:events'
import http from 'node:http'
import { expect, it, onTestFinished } from 'vitest'
import { startForeignServer } from '../../src/foreign-server.js'
import { answering, start } from '../support/server.js'

async function get(port: number, path: string): Promise<void> {
  const request = http.get({ host: '127.0.0.1', port, path, agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  await once(response, 'end')
}

function ownAccessors(value: object): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(value))
    .filter(([, { get }]) => get)
    .map(([name]) => name)
}

it('no request has an accessor of its own, which would keep it from being collected', async () => {
  const asked: object[] = []
  const keep = (request: { readonly signal: AbortSignal }) => {
    asked.push(request)
    expect(request.signal.aborted).toBe(false)
  }
  const routes = [
    answering({ method: 'GET', path: '/own' }, async (request) => {
      keep(request)
      return {}
    }),
  ]
  const { port } = await start({ routes })
  await get(port, '/own')
  const foreign = await startForeignServer({
    listen: { host: '127.0.0.1', port: 0 },
    maxBodyBytes: 1000,
    deadlineMs: 5_000,
    async handle(request) {
      keep(request)
      return { status: 200 }
    },
    refuse: () => ({ status: 599 }),
    onError: () => {},
  })
  onTestFinished(() => foreign.close())
  await get((foreign.address as { port: number }).port, '/foreign')
  expect(asked.map(ownAccessors)).toEqual([[], []])
})
