/** What the layers share in one run: sizes, progress, the raw limit, rows, and what must be undone at the end. */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { betweenCpu, readCpu } from './processes.mjs'
import { RawLimit } from './raw-limit.mjs'
import { makeToken } from './token.mjs'
import { Interrupted } from './measure.mjs'

/**
 * Lengths of one cell in milliseconds, and at most of the warm-up before the first cell of an operation: a service that has just
 * started runs several times slower until V8 has compiled what it uses.
 */
const lengths = {
  full: {
    raw: 1000,
    limit: 600,
    warm: 10_000,
    backend: 1000,
    keyhsm: 1500,
    whole: 2000,
    store: 1000,
    starts: 3,
  },
  quick: {
    raw: 150,
    limit: 100,
    warm: 100,
    backend: 150,
    keyhsm: 200,
    whole: 250,
    store: 200,
    starts: 1,
  },
}

function stretched(seconds) {
  if (seconds === undefined) return lengths.full
  const ms = seconds * 1000
  return { ...lengths.full, limit: ms / 2, backend: ms, keyhsm: ms, whole: ms, store: ms }
}

/** Cores that others may keep busy in a quiet moment. */
const quietCores = 0.3

export class Bench {
  rows = []
  store = []
  migrations = []
  kms = []
  raws = []
  readiness = []
  memory = []
  notes = []
  homes = 0
  #undo = []
  #abort = new AbortController()
  #began = Date.now()
  #plannedMs
  #doneMs = 0
  #current
  #patienceMs

  /** @param {{ quick: boolean, seconds?: number, patience?: number, kinds: string[], profile?: string, deposits?: number, migrate?: number, plannedMs: (bench: Bench) => number }} options */
  constructor({ quick, seconds, patience = 0, kinds, profile, deposits, migrate, plannedMs }) {
    this.#patienceMs = patience * 1000
    this.quick = quick
    this.kinds = kinds
    this.profile = profile
    this.lengths = quick ? lengths.quick : stretched(seconds)
    this.limitMs = this.lengths.limit
    this.concurrencies = quick ? [1, 8] : [1, 8, 32]
    this.storeConcurrencies = quick ? [8] : [1, 8, 32]
    this.deposits = Math.max(1000, deposits ?? (quick ? 2000 : 100_000))
    this.migrate = Math.max(500, migrate ?? (quick ? 500 : 3000))
    this.#plannedMs = plannedMs(this)
  }

  get signal() {
    return this.#abort.signal
  }

  /** A folder that every local user can enter: the services run as users of their own. */
  async open() {
    this.folder = mkdtempSync(join(tmpdir(), 'keyhsm-bench-'))
    this.onEnd(() => rmSync(this.folder, { recursive: true, force: true }))
    chmodSync(this.folder, 0o755)
    this.probeFolder = join(this.folder, 'probe')
    mkdirSync(this.probeFolder)
    chmodSync(this.probeFolder, 0o777)
    this.begin('raw token', 500)
    this.rawToken = makeToken(this.folder, 'raw')
    this.raw = await RawLimit.start(this.rawToken)
    this.onEnd(() => this.raw.close())
  }

  /** Waits while others keep the machine busy, as long as the run's patience lasts: then it measures beside them. */
  async quiet() {
    while (this.#patienceMs > 0 && !this.signal.aborted) {
      const before = readCpu({})
      await sleep(250)
      const { others, wallMs } = betweenCpu(before, readCpu({}))
      if (others < quietCores) return
      this.#patienceMs -= wallMs
    }
  }

  /** Within `use` this is the limit that figures are compared with. */
  async besideLimit(raw, use) {
    const usual = this.raw
    this.raw = raw
    try {
      return await use()
    } finally {
      this.raw = usual
    }
  }

  interrupt() {
    this.#abort.abort()
  }

  /** `undo` runs at the end, the newest first, however the run ends. */
  onEnd(undo) {
    this.#undo.push(undo)
  }

  /** Says what begins now and how long the rest will take. `forMs` is the planned length. */
  begin(what, forMs) {
    if (this.signal.aborted) throw new Interrupted()
    if (this.#current) this.#doneMs += this.#current
    this.#current = forMs
    const spentMs = Date.now() - this.#began
    // Set-up and warm-up come on top of the plan: the time so far says by how much.
    const pace = this.#doneMs > 3000 ? spentMs / this.#doneMs : 1.6
    const leftMs = Math.max(0, this.#plannedMs - this.#doneMs) * pace
    const left = `${Math.ceil(leftMs / 1000)} s left`
    process.stderr.write(`bench: ${what.padEnd(60)} ${left}\n`)
  }

  /** Copies a file of the run to where it outlives it. */
  keep(file) {
    const copy = join(process.cwd(), basename(file))
    copyFileSync(file, copy)
    this.notes.push(`profile: ${copy}`)
  }

  async close() {
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo()
      } catch (error) {
        process.stderr.write(`bench: ${error.message}\n`)
      }
    }
  }
}
