/** Appenders, opened: where lines end up. */
import { writeSync } from 'node:fs'
import type { Appender, FileAppender } from './configuration.js'
import { windowFiles } from './configuration.js'
import { levelRank } from './levels.js'
import type { LogRecord } from './record.js'
import { RollingFile } from './rolling-file.js'

export interface Destination {
  readonly appender: Appender
  write(record: LogRecord): void
  /** Lines wait until {@link release}, where they go into a file. */
  hold(): void
  release(): void
  reopen(): void
  /** What an operator must cure. */
  trouble(): string | undefined
  close(): void
}

/** @throws ERR_NOT_ALLOWED, ERR_NOT_FOUND and others of `toFileError` when a file cannot be opened. */
export function openDestination(appender: Appender): Destination {
  const least = levelRank[appender.threshold]
  const line = appender.pattern.format
  const sink = appender.kind === 'file' ? openFile(appender) : openStream(appender.stream)
  return {
    appender,
    write: (record) => {
      if (levelRank[record.level] >= least) sink.write(line(record))
    },
    hold: () => sink.hold(),
    release: () => sink.release(),
    reopen: () => sink.reopen(),
    trouble: () => sink.trouble,
    close: () => sink.close(),
  }
}

interface Sink {
  readonly trouble: string | undefined
  write(line: string): void
  hold(): void
  release(): void
  reopen(): void
  close(): void
}

function openFile({ file, window, pattern }: FileAppender): Sink {
  const loss = { level: 'warn', logger: 'log', fields: {} } as const
  return new RollingFile({
    path: file,
    ...(window ? { window: { files: windowFiles(window), maxBytes: window.maxBytes } } : {}),
    describeLoss: (lines) =>
      pattern.format({
        ...loss,
        time: Date.now(),
        message: `${lines} lines lost: the log could not be written`,
      }),
  })
}

const descriptors = { stdout: 1, stderr: 2 } as const

function openStream(stream: keyof typeof descriptors): Sink {
  return {
    trouble: undefined,
    write: (line) => {
      try {
        writeSync(descriptors[stream], line)
      } catch {
        // Nobody reads any more; a service does not stop because it cannot talk.
      }
    },
    hold: () => undefined,
    release: () => undefined,
    reopen: () => undefined,
    close: () => undefined,
  }
}
