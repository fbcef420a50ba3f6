/** Whether Key HSM can listen where it shall: by listening there for a moment. */
import { createServer } from 'node:net'
import { DomainError } from '@keyhsm/core'
import { systemCode } from '@keyhsm/service'

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'that is no address of this machine',
  EACCES: 'ports below 1024 are not for this user',
}

/** Port 0 tries the address alone. @throws ERR_UNAVAILABLE with the reason. */
export async function checkListener(host: string, port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const reason = reasons[systemCode(cause) ?? ''] ?? 'the system refuses it'
      const where = port === 0 ? host : `${host}:${port}`
      reject(new DomainError('ERR_UNAVAILABLE', `cannot listen on ${where}: ${reason}`, { cause }))
    })
    server.listen({ host, port, exclusive: true }, resolve)
  })
  await new Promise((resolve) => server.close(resolve))
}
