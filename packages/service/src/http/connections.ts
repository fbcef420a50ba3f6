/** Which connections are open and how many requests are not answered, so that a server can end without cutting one off. */
import type http from 'node:http'
import type { Socket } from 'node:net'

export interface Connections {
  inFlight(): number
  /** True from the start of {@link drain} or {@link close}: a new request on an open connection is turned away. */
  ending(): boolean
  drain(timeoutMs: number): Promise<void>
  close(): Promise<void>
}

export function trackConnections(server: http.Server): Connections {
  const sockets = new Set<Socket>()
  let inFlight = 0
  let closed: Promise<void> | undefined
  let answered = () => {}

  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.prependListener('request', (_request, response: http.ServerResponse) => {
    inFlight += 1
    response.once('close', () => {
      inFlight -= 1
      if (inFlight === 0) answered()
    })
  })

  const stopAccepting = () => {
    closed ??= new Promise<void>((resolve) => server.close(() => resolve()))
    return closed
  }
  const cut = async () => {
    const stopped = stopAccepting()
    for (const socket of sockets) socket.destroy()
    await stopped
  }
  return {
    inFlight: () => inFlight,
    ending: () => closed !== undefined,
    async drain(timeoutMs) {
      void stopAccepting()
      if (inFlight > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs)
          answered = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      await cut()
    },
    close: cut,
  }
}
