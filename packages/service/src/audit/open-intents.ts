/** Pairs intents with their outcomes, in bounded memory. */
import type { EntryLine } from './parse-line.js'
import type { AuditReport, UnknownOutcome } from './report.js'

/** More operations than this are never under way at once; beyond it intents are counted but no longer paired. */
const maxOpen = 100_000

/** The intents of a log that have no outcome yet. */
export class OpenIntents {
  readonly #open = new Map<string, UnknownOutcome[]>()
  readonly #maxReported: number
  #count = 0

  constructor(maxReported: number) {
    this.#maxReported = maxReported
  }

  see(place: { readonly file: string; readonly line: number }, entry: EntryLine): void {
    const id = `${entry.requestId} ${entry.operation}`
    if (entry.event === 'intent') {
      this.#count += 1
      if (this.#open.size >= maxOpen) return
      const { operation, requestId, actor } = entry
      const open = { ...place, sequence: entry.head.sequence, operation, requestId, actor }
      this.#open.set(id, [...(this.#open.get(id) ?? []), open])
    } else if (entry.event === 'outcome') this.#close(id)
  }

  report(): Pick<AuditReport, 'unknownOutcomes' | 'unknownOutcomeCount'> {
    const unknown: UnknownOutcome[] = []
    for (const open of this.#open.values()) {
      if (unknown.length < this.#maxReported) unknown.push(...open)
    }
    return { unknownOutcomes: unknown, unknownOutcomeCount: this.#count }
  }

  #close(id: string): void {
    const open = this.#open.get(id)
    if (open === undefined) return
    this.#count -= 1
    if (open.length === 1) this.#open.delete(id)
    else this.#open.set(id, open.slice(1))
  }
}
