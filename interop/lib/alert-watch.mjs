/** Reads what the services of an installation show to monitors, and judges the rows of docs/operations/alerts.json by it. */
import { readFileSync } from 'node:fs'
import { request as requestInClear } from 'node:http'
import { request } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { alerts, isCrossed, parseScrape } from '../../scripts/lib/alerts.mjs'

const everyMs = 300
const answerMs = 8_000
const patienceMs = 30_000

/** Names of the alerts that are fired by this, e.g. `runbooks 3`. */
export function alertsFiredBy(word, number) {
  return alerts
    .filter(({ fired }) => {
      const [first, ...numbers] = fired.split(/,? /)
      return first === word && (number === undefined || numbers.includes(number))
    })
    .map(({ name }) => name)
}

export class AlertWatch {
  /** @param {Record<string, () => Promise<string>>} jobs what each shows, by their names in the rules */
  constructor(jobs) {
    this.jobs = jobs
  }

  /** Samples by job; undefined for one that does not answer. */
  async scrape() {
    const read = Object.entries(this.jobs).map(async ([job, readText]) => {
      const text = await readText().catch(() => undefined)
      return [job, text === undefined ? undefined : parseScrape(text)]
    })
    return Object.fromEntries(await Promise.all(read))
  }

  /** Which of `names` are crossed now. */
  async crossed(names, before) {
    const scrapes = await this.scrape()
    return pick(names)
      .filter((alert) => isCrossed(alert, scrapes, { before }))
      .map(({ name }) => name)
  }

  /** @throws Error when one of `names` is crossed already. The function returned waits until each was, at some time since. */
  async begin(names) {
    const before = await this.scrape()
    const early = pick(names).filter((alert) => isCrossed(alert, before, { before }))
    if (early.length > 0) throw new Error(`crossed before the fault: ${namesOf(early)}`)
    const waiting = new Set(names)
    const ended = new AbortController()
    const watching = this.#watch(waiting, before, ended.signal)
    return async () => {
      const timer = setTimeout(() => ended.abort(), patienceMs)
      await watching
      clearTimeout(timer)
      if (waiting.size > 0) throw new Error(`not crossed by the fault: ${[...waiting].join(', ')}`)
    }
  }

  async #watch(waiting, before, signal) {
    while (waiting.size > 0 && !signal.aborted) {
      for (const name of await this.crossed([...waiting], before)) waiting.delete(name)
      if (waiting.size > 0) await pause(everyMs)
    }
  }

  /** Waits until none of `names` is crossed any more; those that look back over some minutes are left out. */
  async end(names) {
    const lasting = new Set(
      alerts.filter(({ increase }) => increase !== undefined).map(({ name }) => name),
    )
    const deadline = Date.now() + patienceMs
    let left = names.filter((name) => !lasting.has(name))
    for (;;) {
      left = await this.crossed(left)
      if (left.length === 0) return
      if (Date.now() > deadline) throw new Error(`still crossed after the cure: ${left.join(', ')}`)
      await pause(everyMs)
    }
  }
}

function pick(names) {
  return alerts.filter(({ name }) => names.includes(name))
}

function namesOf(rows) {
  return rows.map(({ name }) => name).join(', ')
}

/** The page at `url`; `authority`: file, PEM. */
export function readPage(url, authority) {
  const ask = url.startsWith('https:') ? request : requestInClear
  const ca = authority === undefined ? {} : { ca: readFileSync(authority) }
  return new Promise((resolve, reject) => {
    const asked = ask(url, { ...ca, agent: false, timeout: answerMs }, (reply) => {
      const chunks = []
      reply.on('data', (chunk) => chunks.push(chunk))
      reply.on('error', reject)
      reply.on('end', () => {
        if (reply.statusCode === 200) resolve(Buffer.concat(chunks).toString())
        else reject(new Error(`status ${reply.statusCode}`))
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', reject)
    asked.end()
  })
}
