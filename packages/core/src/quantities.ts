/** Sizes and durations as operators write them in settings, parsed once into bytes and milliseconds. */
import { invalidInput } from './errors.js'

const byteUnits: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }
const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  m: 60e3,
  h: 3600e3,
  d: 86400e3,
}

/** `4096`, `64K`, `1M`, `10MB`, `1MiB` → bytes (units are powers of 1024, as logback has them). @throws ERR_INVALID_INPUT */
export function parseBytes(text: string, field: string): number {
  const match = /^(\d{1,12})\s*(?:([KMG])(?:i?B)?)?$/i.exec(text.trim())
  const unit = byteUnits[(match?.[2] ?? '').toUpperCase()]
  if (!match?.[1] || unit === undefined)
    throw invalidInput(field, 'must be a size such as 4096, 64K or 1M')
  return Number(match[1]) * unit
}

/** `250ms`, `60s`, `5m`, `24h`, `30d` → milliseconds. @throws ERR_INVALID_INPUT */
export function parseDuration(text: string, field: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text.trim())
  const unit = durationUnits[match?.[2] ?? '']
  if (!match?.[1] || unit === undefined)
    throw invalidInput(field, 'must be a duration such as 250ms, 60s, 24h or 30d')
  return Number(match[1]) * unit
}
