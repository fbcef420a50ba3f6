import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Sharing } from '../messages.js'

/**
 * A text that changes whenever any process makes or destroys an object on a token of this directory. Read under the
 * cross-process lock; it answers "has anybody else written?" without a search through the token.
 */
export class TokenStamp {
  readonly #where: Sharing['stamp']

  constructor(where: Sharing['stamp']) {
    this.#where = where
  }

  /** The stamp now; undefined where there is none or it cannot be read (then nothing may be assumed). */
  read(): string | undefined {
    if (!this.#where) return undefined
    const { directory, file } = this.#where
    try {
      const tokens = readdirSync(directory, { withFileTypes: true })
      const names = tokens.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
      return names
        .sort()
        .map((name) => stampOf(join(directory, name), file))
        .join('\n')
    } catch {
      return undefined
    }
  }
}

function stampOf(token: string, file: string): string {
  const counter = readFileSync(join(token, file)).toString('hex')
  return `${token} ${statSync(token, { bigint: true }).mtimeNs} ${counter}`
}
