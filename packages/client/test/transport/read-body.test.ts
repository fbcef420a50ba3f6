import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { readBody } from '../../src/transport/read-body.js'

async function ask(maxBytes: number, parts: readonly string[]) {
  const server = createServer((_, response) => {
    for (const part of parts) response.write(part)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return await new Promise<string>((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, agent: false }, (response) => {
      readBody(request, response, maxBytes).then((body) => resolve(body.toString()), reject)
    })
    request.once('error', reject)
  })
}

test('a body up to the bound comes whole, a longer one is cut off with its request', async () => {
  expect(await ask(6, ['abc', 'def'])).toBe('abcdef')
  await expect(ask(5, ['abc', 'def'])).rejects.toThrow('the reply is too long')
})
