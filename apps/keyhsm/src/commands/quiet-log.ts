import type { Log } from '@keyhsm/service'

/** What the backend reports step by step belongs in the service's log; a command tells by its error what went wrong. */
export const quietLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quietLog,
}
