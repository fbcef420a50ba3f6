/** Which line goes where: the levels and appenders of every logger, looked up once a name and exchanged as one. */
import { type Appender, type LogConfiguration, type LoggerConfiguration } from './configuration.js'
import { levelRank, type LogLevel, type LogThreshold } from './levels.js'
import { type Destination, openDestination } from './destinations.js'
import type { LogRecord } from './record.js'

interface Route {
  readonly least: number
  readonly destinations: readonly Destination[]
}

interface State {
  readonly configuration: LogConfiguration
  readonly destinations: readonly Destination[]
  readonly routes: Map<string, Route>
}

const silence: LogConfiguration = {
  appenders: [],
  root: { level: 'off', appenders: [] },
  loggers: [],
}

/** The log's switchboard. */
export class LogRouter {
  #state: State
  /** Wins over every level of the configuration. */
  #override: LogThreshold | undefined

  /** @throws as {@link openDestination}. */
  constructor(configuration: LogConfiguration) {
    this.#state = open(configuration)
  }

  get configuration(): LogConfiguration {
    return this.#state.configuration
  }

  /** The level set by {@link overrideLevel}. */
  get override(): LogThreshold | undefined {
    return this.#override
  }

  /** What an operator must cure, one line a file. */
  get troubles(): string[] {
    return this.#state.destinations.flatMap((destination) => {
      const trouble = destination.trouble()
      const { appender } = destination
      const place = appender.kind === 'file' ? appender.file : appender.stream
      return trouble === undefined ? [] : [`${place}: ${trouble}`]
    })
  }

  lets(level: LogLevel, logger: string): boolean {
    return levelRank[level] >= this.#route(logger).least
  }

  write(record: LogRecord): void {
    for (const destination of this.#route(record.logger).destinations) destination.write(record)
  }

  /** What `work` writes into a file goes out in one write. */
  together(work: () => void): void {
    const { destinations } = this.#state
    for (const destination of destinations) destination.hold()
    try {
      work()
    } finally {
      for (const destination of destinations) destination.release()
    }
  }

  reopen(): void {
    for (const destination of this.#state.destinations) destination.reopen()
  }

  /**
   * Writes as `configuration` says from the next line on.
   * @throws as {@link openDestination}; then everything stays as it was.
   */
  configure(configuration: LogConfiguration): void {
    const before = this.#state
    this.#state = open(configuration)
    for (const destination of before.destinations) destination.close()
  }

  /** A level for every logger, until it is taken back by undefined. */
  overrideLevel(level: LogThreshold | undefined): void {
    this.#override = level
    this.#state.routes.clear()
  }

  close(): void {
    this.configure(silence)
    this.overrideLevel(undefined)
  }

  #route(logger: string): Route {
    const known = this.#state.routes.get(logger)
    if (known) return known
    const made = findRoute(this.#state, logger, this.#override)
    this.#state.routes.set(logger, made)
    return made
  }
}

function open(configuration: LogConfiguration): State {
  const destinations: Destination[] = []
  try {
    for (const appender of configuration.appenders) {
      if (isUsed(configuration, appender)) destinations.push(openDestination(appender))
    }
  } catch (error) {
    for (const destination of destinations) destination.close()
    throw error
  }
  return { configuration, destinations, routes: new Map() }
}

/** An appender that nobody refers to makes no file. */
function isUsed({ root, loggers }: LogConfiguration, { name }: Appender): boolean {
  return [root, ...loggers].some(({ appenders }) => appenders.includes(name))
}

/** The nearest level above wins; appenders add up until a logger is not additive. */
function findRoute(
  { configuration, destinations }: State,
  logger: string,
  override: LogThreshold | undefined,
): Route {
  const { root, loggers } = configuration
  const names = new Set<string>()
  let level = override
  let additive = true
  for (const configured of ancestors(loggers, logger)) {
    level ??= configured.level
    if (additive) for (const name of configured.appenders) names.add(name)
    additive &&= configured.additive
  }
  if (additive) for (const name of root.appenders) names.add(name)
  return {
    least: levelRank[level ?? root.level],
    destinations: destinations.filter(({ appender }) => names.has(appender.name)),
  }
}

/** The logger itself and those above it, nearest first. */
function ancestors(loggers: readonly LoggerConfiguration[], logger: string): LoggerConfiguration[] {
  return loggers
    .filter(({ name }) => logger === name || logger.startsWith(`${name}.`))
    .sort((a, b) => b.name.length - a.name.length)
}
