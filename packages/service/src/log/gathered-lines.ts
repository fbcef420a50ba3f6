/**
 * Lines that come in crowds: those of one turn of the event loop are written together. One by one each costs a call of the
 * operating system, which is as long as all that a short request needs besides.
 */
import type { RollingFile } from './rolling-file.js'

type LineFile = Pick<RollingFile, 'write' | 'hold' | 'release' | 'close'>

/** A file's lines on their way to it. */
export class GatheredLines {
  #file: LineFile
  #next: NodeJS.Immediate | undefined

  constructor(file: LineFile) {
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

  /** Goes on in `file`; what is waiting is written to the one before, which is closed. */
  moveTo(file: LineFile): void {
    this.close()
    this.#file = file
  }

  /** Also closes the file. */
  close(): void {
    this.flush()
    this.#file.close()
  }
}
