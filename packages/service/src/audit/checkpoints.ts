/** Decides when the head is signed, and signs it beside the entries: nobody waits for the signer. */
import { type DomainError, toDomainError } from '@keyhsm/core'
import type { AuditHead, AuditSigner } from './audit.js'
import {
  checkpointMessage,
  formatCheckpoint,
  formatCheckpointBody,
  maxCheckpointLag,
} from './checkpoint-line.js'

export interface CheckpointOptions {
  /** Undefined: nothing is signed now. */
  readonly signer: () => AuditSigner | undefined
  readonly service: string
  readonly now: () => Date
  readonly every: number
  readonly intervalMs: number
  readonly head: () => AuditHead
  readonly write: (line: string) => Promise<unknown>
  readonly onProblem: (error: DomainError) => void
}

/** The checkpoints of one open audit; one is made at a time. */
export class Checkpoints {
  readonly #options: CheckpointOptions
  readonly #timer: NodeJS.Timeout
  #signed: number
  #running: Promise<void> | undefined
  #failed = false
  #signs = true

  /** `signed` is the sequence of the last checkpoint in the log, 0 when there is none. */
  constructor(options: CheckpointOptions, signed: number) {
    this.#options = options
    this.#signed = signed
    this.#timer = setInterval(() => this.#start(), options.intervalMs)
    this.#timer.unref()
  }

  /** Sequence of the last entry that is signed. */
  get signed(): number {
    return this.#signed
  }

  /** True after a checkpoint could not be signed or written, until one was. */
  get failed(): boolean {
    return this.#failed
  }

  /** False while there is no signer. */
  get signs(): boolean {
    return this.#signs
  }

  /** To be called after entries reached the disk. The first entry of a log is signed at once. */
  noticed(): void {
    if (this.#running !== undefined || this.#failed) return
    const unsigned = this.#options.head().sequence - this.#signed
    if (unsigned >= this.#options.every || (this.#signed === 0 && unsigned > 0)) this.#start()
  }

  /** Returns when the head of now is signed. @throws what the signer or the writer throws. */
  async run(): Promise<void> {
    const target = this.#options.head().sequence
    // One under way may be about an older head.
    do await this.#runOne()
    while (this.#signs && this.#signed < target)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #runOne(): Promise<void> {
    this.#running ??= this.#signHead().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  #start(): void {
    this.run().catch((error: unknown) => this.#options.onProblem(toDomainError(error)))
  }

  async #signHead(): Promise<void> {
    const { service, now } = this.#options
    try {
      for (;;) {
        const head = this.#options.head()
        if (head.sequence === this.#signed) break
        const signer = this.#options.signer()
        this.#signs = signer !== undefined
        if (!signer) break
        const body = formatCheckpointBody({ head, service, at: now(), keyId: signer.keyId })
        const signature = await signer.sign(checkpointMessage(body))
        // Half the distance a reader allows: more entries may go before the line while it waits for its write.
        if (this.#options.head().sequence - head.sequence > maxCheckpointLag / 2) continue
        await this.#options.write(formatCheckpoint(body, signature))
        this.#signed = head.sequence
        break
      }
      this.#failed = false
    } catch (error) {
      this.#failed = true
      throw error
    }
  }
}
