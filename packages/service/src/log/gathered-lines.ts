/**
 * Lines that come in crowds: those of one turn of the event loop are written together. One by one each costs a call of the
 * operating system, which is as long as all that a short request needs besides.
 */
import type { RollingFile } from './rolling-file.js'

/** A file's lines on their way to it. */
export class GatheredLines {
  readonly #file: Pick<RollingFile, 'write' | 'hold' | 'release' | 'close'>
  #next: NodeJS.Immediate | undefined

  constructor(file: Pick<RollingFile, 'write' | 'hold' | 'release' | 'close'>) {
    this.#file = file
  }

  /** A line with its newline; it is in the file after this turn of the event loop. */
  write(line: string): void {
    this.#file.hold()
    this.#file.write(line)
    this.#next ??= setImmediate(() => this.flush())
  }

  /** Writes what is waiting now. */
  flush(): void {
    clearImmediate(this.#next)
    this.#next = undefined
    this.#file.release()
  }

  /** Also closes the file. */
  close(): void {
    this.flush()
    this.#file.close()
  }
}
