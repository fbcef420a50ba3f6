/** `<property name="…" value="…"/>` and `${NAME:-default}`. */
import type { XmlPlace } from '../xml.js'
import type { Problems } from './problems.js'

export class Variables {
  readonly #values = new Map<string, string>()
  readonly #problems: Problems

  constructor(problems: Problems) {
    this.#problems = problems
  }

  set(name: string, value: string): void {
    this.#values.set(name, value)
  }

  /** The text with its variables put in; one that is not set and has no default is a problem. */
  replace(text: string, place: XmlPlace): string {
    return text.replaceAll(
      /\$\{([^}:]*)(?::-([^}]*))?\}/g,
      (whole, name: string, byDefault?: string) => {
        const value = this.#values.get(name.trim()) ?? byDefault
        if (value !== undefined) return value
        this.#problems.error(place, `the variable [${name}] is not set above`)
        return whole
      },
    )
  }
}
