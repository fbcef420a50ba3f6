/** The ways to start a service that needs nothing asked before. */
import {
  type InBackground,
  serve,
  type ServiceProcess,
  startInBackground,
  type StartedService,
} from './service-process.js'

export interface ServiceStarter {
  /** Refuses what would keep a new process from starting, while the old one still runs. */
  check(): Promise<void>
  inBackground(): Promise<StartedService>
  /** @returns the exit status. */
  here(): Promise<number>
}

/** `say` gets what the service says while it serves here. */
export function starterOf(
  service: ServiceProcess,
  away: InBackground,
  say: (line: string) => void,
): ServiceStarter {
  return {
    check: async () => void (await service.readLogging()),
    inBackground: () => startInBackground(service, away),
    here: () => serve(service, say),
  }
}

/** `host:port` as in a URL. */
export function formatAuthority({
  host,
  port,
}: {
  readonly host: string
  readonly port: number
}): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
