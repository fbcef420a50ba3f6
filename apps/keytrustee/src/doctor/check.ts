/** What a check of `ktadmin doctor` is given, and what it finds. */
import type { ReplyOf, statusRoute } from '@keyhsm/protocol'
import type { Paths } from '../paths.js'
import type { Settings } from '../settings.js'

export interface Finding {
  /** `fault`: something does not work or is not safe; `warning`: it will not for long; `skipped`: cannot be told now. */
  readonly state: 'ok' | 'warning' | 'fault' | 'skipped'
  /** What is so, in a line. */
  readonly detail: string
  /** What to do about it; with `warning` and `fault` only. */
  readonly remedy?: string
}

export interface CheckedFinding extends Finding {
  readonly check: string
}

export interface Patient {
  readonly paths: Paths
  readonly now: Date
  /** Undefined while the settings cannot be read: what needs them is skipped. */
  readonly settings: Settings | undefined
  /** Of the running server; undefined when it does not run or answer. */
  readonly status: ReplyOf<typeof statusRoute> | undefined
}

export interface Check {
  readonly name: string
  /** Nothing found is `skipped`. What it throws becomes a fault with the error's hints. */
  run(patient: Patient): Promise<readonly Finding[]>
}

export function ok(detail: string): Finding {
  return { state: 'ok', detail }
}

export function warning(detail: string, remedy: string): Finding {
  return { state: 'warning', detail, remedy }
}

export function fault(detail: string, remedy: string): Finding {
  return { state: 'fault', detail, remedy }
}

export function skipped(detail: string): Finding {
  return { state: 'skipped', detail }
}
