import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { DomainError } from '@keyhsm/core'
import { makeSelfSigned } from '@keyhsm/service'
import { expect, test } from 'vitest'
import type { Joined } from '../../src/sealing/join-file.js'
import { continueLink, openLink } from '../../src/sealing/key-hsm-link.js'

const make = (usage: 'server' | 'client') =>
  makeSelfSigned({ commonName: 'link', subjectAltNames: ['127.0.0.1'], days: 9, usage })

test('a request that took the link before the next certificate was accepted is answered by the one that shows it', async () => {
  const [old, next, client] = await Promise.all([make('server'), make('server'), make('client')])
  const server = createServer({ cert: next.certificate, key: next.privateKey }, (_, response) =>
    response
      .writeHead(429, { 'content-type': 'application/problem+json' })
      .end('{"code":"ERR_BUSY"}'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const before = openLink({
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    scope: 'service',
    serverCertificate: old.certificate,
    clientCertificate: client.certificate,
    clientKey: client.privateKey,
  } as Joined)
  const answer = () => before.calls.describe().catch((error: DomainError) => error.code)
  try {
    expect(await answer()).toBe('ERR_NOT_AUTHENTICATED')
    continueLink(before, { ...before.joined, nextServerCertificate: next.certificate })
    expect(await answer()).toBe('ERR_BUSY')
  } finally {
    await before.calls.close()
    server.close()
  }
})
