/**
 * Follows the chain line by line and notes each place where it does not hold. After a fault it goes on from what is
 * there, so that one change is one fault and not the rest of the log.
 */
import type { KeyObject } from 'node:crypto'
import type { AuditHead } from './audit.js'
import { isSignedByOne } from './checkpoint-keys.js'
import { checkpointMessage, maxCheckpointLag } from './checkpoint-line.js'
import { auditFormat, genesis } from './lines.js'
import { OpenIntents } from './open-intents.js'
import type { CheckpointLine, EntryLine, HeaderLine } from './parse-line.js'
import type { AuditFault, AuditReport } from './report.js'

const maxKept = 1000

export interface Place {
  readonly file: string
  readonly line: number
}

export interface CheckOptions {
  readonly keys: readonly KeyObject[] | undefined
  readonly service: string | undefined
  readonly expected: readonly AuditHead[]
}

/** The state of one verification; fed with the lines in their order. */
export class ChainCheck {
  readonly #options: CheckOptions
  readonly #faults: AuditFault[] = []
  readonly #intents = new OpenIntents(maxKept)
  readonly #anchors = new Map<string, AuditHead>()
  /** Hashes of the last entries, as far back as a checkpoint may reach. */
  readonly #recent = new Map<number, string>([[0, genesis.hash]])
  readonly #expected = new Map<number, readonly string[]>()
  #faultCount = 0
  #head: AuditHead = genesis
  #service: string | undefined
  #entries = 0
  #checkpoints = 0
  #lastCheckpoint: AuditReport['lastCheckpoint']
  #voided = 0

  constructor(options: CheckOptions) {
    this.#options = options
    this.#service = options.service
    for (const { sequence, hash } of options.expected) {
      this.#expected.set(sequence, [...(this.#expected.get(sequence) ?? []), hash])
    }
  }

  fault(place: Place, what: string, sequence?: number): void {
    this.#faultCount += 1
    if (this.#faults.length >= maxKept) return
    this.#faults.push({ ...place, ...(sequence === undefined ? {} : { sequence }), what })
  }

  /** The first line of file `number`. */
  header(place: Place, line: HeaderLine, number: number): void {
    if (line.format !== auditFormat) this.fault(place, `format ${line.format} is not known`)
    if (line.file !== number) this.fault(place, `this is file ${line.file}, not file ${number}`)
    this.#checkService(place, line.service)
    const { sequence, hash } = line.head
    if (sequence > this.#head.sequence) this.#missing(place, sequence)
    else if (sequence < this.#head.sequence || hash !== this.#head.hash) {
      this.fault(place, 'does not follow the last entry of the file before', sequence)
    }
    this.#head = line.head
  }

  entry(place: Place, line: EntryLine): void {
    this.#entries += 1
    this.#checkService(place, line.service)
    const { sequence } = line.head
    if (!line.unchanged) this.fault(place, 'changed: the text does not have its hash', sequence)
    if (sequence <= this.#head.sequence) {
      const twice = this.#recent.has(sequence)
      this.fault(place, twice ? 'duplicate sequence' : 'out of order', sequence)
      return
    }
    if (sequence > this.#head.sequence + 1) this.#missing(place, sequence - 1)
    else if (line.previous !== this.#head.hash) {
      this.fault(place, 'does not follow the entry before: one of the two was replaced', sequence)
    }
    this.#advance(place, line)
  }

  checkpoint(place: Place, line: CheckpointLine): void {
    this.#checkpoints += 1
    const { sequence, hash } = line.head
    this.#checkService(place, line.service)
    const { keys } = this.#options
    if (keys && !isSignedByOne(keys, checkpointMessage(line.body), line.signature)) {
      this.fault(place, `the signature (key ${line.keyId}) is not by the given key`, sequence)
      return
    }
    const found = this.#recent.get(sequence)
    if (found === hash) this.#lastCheckpoint = { ...line.head, at: line.at }
    else if (found !== undefined) {
      this.fault(place, 'the entries before this checkpoint are not the signed ones', sequence)
    } else if (sequence > this.#head.sequence) {
      this.fault(
        place,
        `cut: entry ${sequence} was signed, the last is ${this.#head.sequence}`,
        sequence,
      )
    } else this.fault(place, 'the entry that this checkpoint signs is not where it was', sequence)
  }

  /** A line that a failed write left, and that the next file's header leaves out. */
  voided(place: Place, line: EntryLine | CheckpointLine | undefined): void {
    this.#voided += 1
    if (line?.type === 'entry' && !line.unchanged) {
      this.fault(place, 'changed: the text does not have its hash', line.head.sequence)
    }
  }

  finish(place: Place): Omit<AuditReport, 'files' | 'unfinishedBytes'> {
    for (const [sequence] of this.#expected) {
      if (sequence <= 0) continue
      const what = `cut: entry ${sequence} was seen by others, the last is ${this.#head.sequence}`
      this.fault(
        place,
        sequence > this.#head.sequence ? what : 'missing: was seen by others',
        sequence,
      )
    }
    if (this.#options.keys && this.#entries > 0 && this.#lastCheckpoint === undefined) {
      this.fault(place, 'no checkpoint holds: nothing proves these entries')
    }
    return {
      ok: this.#faultCount === 0,
      service: this.#service,
      entries: this.#entries,
      checkpoints: this.#checkpoints,
      signatures: this.#options.keys ? 'verified' : 'not-checked',
      last: this.#head,
      lastCheckpoint: this.#lastCheckpoint,
      afterLastCheckpoint: this.#head.sequence - (this.#lastCheckpoint?.sequence ?? 0),
      voided: this.#voided,
      faults: this.#faults,
      faultCount: this.#faultCount,
      ...this.#intents.report(),
      anchors: Object.fromEntries(this.#anchors),
    }
  }

  #missing(place: Place, last: number): void {
    const first = this.#head.sequence + 1
    const what = first === last ? `entry ${first}` : `entries ${first} to ${last}`
    this.fault(place, `missing: ${what}`, first)
  }

  #checkService(place: Place, service: string): void {
    this.#service ??= service
    if (service === this.#service) return
    this.fault(place, `belongs to service ${JSON.stringify(service)}`)
  }

  #advance(place: Place, line: EntryLine): void {
    this.#head = line.head
    const { sequence, hash } = line.head
    this.#recent.set(sequence, hash)
    this.#recent.delete(sequence - maxCheckpointLag)
    const expected = this.#expected.get(sequence)
    if (expected !== undefined) {
      this.#expected.delete(sequence)
      if (expected.some((seen) => seen !== hash))
        this.fault(place, 'is not the entry that others saw here', sequence)
    }
    this.#intents.see(place, line)
    if (line.event === 'note' && line.operation === 'anchor') this.#anchor(line)
  }

  #anchor(line: EntryLine): void {
    const { peerService, sequence, hash } = line.subject ?? {}
    if (typeof peerService !== 'string' || typeof hash !== 'string') return
    if (typeof sequence === 'number') this.#anchors.set(peerService, { sequence, hash })
  }
}
