/** What is wrong with a logback.xml, collected with its place; printed in the form that operators know from logback. */
import type { XmlElement, XmlPlace } from '../xml.js'

export interface LogProblem {
  /** An error keeps the file from being used; a warning does not. */
  readonly level: 'ERROR' | 'WARN'
  readonly place: XmlPlace
  readonly message: string
}

/** Collects all faults of one file, so that they are told at once. */
export class Problems {
  readonly list: LogProblem[] = []

  get failed(): boolean {
    return this.list.some(({ level }) => level === 'ERROR')
  }

  error(place: XmlPlace, message: string): undefined {
    this.list.push({ level: 'ERROR', place, message })
  }

  warn(place: XmlPlace, message: string): void {
    this.list.push({ level: 'WARN', place, message })
  }

  /** An element that its parent does not know, and everything in it. `path`: names from the top to the parent. */
  notApplicable(element: XmlElement, path: readonly string[]): void {
    const here = [...path, element.name]
    const shown = here.map((name) => `[${name}]`).join('')
    this.error(
      element,
      `no applicable action for [${element.name}], current ElementPath is [${shown}]`,
    )
    for (const child of element.children) this.notApplicable(child, here)
  }
}

/** `06:55:20,208 |-ERROR in conf/logback.xml@11:85 - …`, local time. */
export function formatLogProblem(
  { level, place, message }: LogProblem,
  file: string,
  now: Date,
): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const clock = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(':')
  const milliseconds = String(now.getMilliseconds()).padStart(3, '0')
  return `${clock},${milliseconds} |-${level} in ${file}@${place.line}:${place.column} - ${message}`
}
