/** Something that somebody must look after. */
export interface Warning {
  /** The same for as long as it is the same warning. */
  readonly key: string
  /** One line, with the command that cures it. */
  readonly text: string
  /** For the log. */
  readonly details: Readonly<Record<string, number>>
}
