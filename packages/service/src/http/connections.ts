/** Which connections are open and how many requests are not answered, so that a server can end without cutting one off. */
import type http from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

export interface Connections {
  inFlight(): number
  /** True from the start of {@link drain} or {@link close}: a new request on an open connection is turned away. */
  ending(): boolean
  drain(timeoutMs: number): Promise<void>
  close(): Promise<void>
}

export function trackConnections(server: http.Server): Connections {
  const sockets = new Set<Socket>()
  let closed: Promise<void> | undefined
  const requests = countRequests(server)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
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
    inFlight: requests.inFlight,
    ending: () => closed !== undefined,
    async drain(timeoutMs) {
      void stopAccepting()
      await requests.answered(timeoutMs)
      await cut()
    },
    close: cut,
  }
}

function countRequests(server: http.Server) {
  /** Requests of one connection. A pipelined one whose connection ends before its turn sees no end of its own reply. */
  const pendingOf = new WeakMap<Duplex, { count: number }>()
  let inFlight = 0
  let none = () => {}
  const subtract = (count: number) => {
    inFlight -= count
    if (inFlight === 0) none()
  }
  const pendingOn = (socket: Duplex) => {
    const known = pendingOf.get(socket)
    if (known !== undefined) return known
    const pending = { count: 0 }
    pendingOf.set(socket, pending)
    socket.once('close', () => {
      subtract(pending.count)
      pending.count = 0
    })
    return pending
  }
  server.prependListener('request', (request, response) => {
    const pending = pendingOn(request.socket)
    pending.count += 1
    inFlight += 1
    response.once('close', () => {
      if (pending.count === 0) return
      pending.count -= 1
      subtract(1)
    })
  })
  return {
    inFlight: () => inFlight,
    /** Resolves when no request is in flight, at the latest after `timeoutMs`. */
    answered: (timeoutMs: number) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, inFlight === 0 ? 0 : timeoutMs)
        none = () => {
          clearTimeout(timer)
          resolve()
        }
        if (inFlight === 0) none()
      }),
  }
}
