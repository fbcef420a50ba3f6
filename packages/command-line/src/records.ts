/**
 * What a program and its commands are made of: records that the parser, the help text and the generated reference all
 * read. A command gets everything it may touch as arguments and returns a value; printing is not its business.
 */

/** An operating system account that a program drops to when it was started as root. */
export type ServiceUser = 'keyhsm' | 'keytrustee' | 'keytrustee-kms'

export interface Option {
  /** Long name without dashes, e.g. `pin-file`; also the key in {@link Input.options} and {@link Input.files}. */
  readonly flag: string
  /** Placeholder of the value in the help text, e.g. `F`; absent: the option is a switch. */
  readonly value?: string
  readonly describe: string
  /** One letter without the dash. */
  readonly short?: string
  /** The value is a path whose content is read before privileges are dropped; `-` is standard input. */
  readonly file?: true
  /** Reading stops with ERR_TOO_LARGE above this size; default {@link defaultMaxFileBytes}. */
  readonly maxBytes?: number
  /** The file holds a secret: with `-` on a terminal it is asked for without echo. */
  readonly secret?: true
  /** Environment variable that stands in when the option is not given. */
  readonly env?: string
  readonly required?: boolean
  /** May be given several times; the values arrive as an array. */
  readonly repeatable?: boolean
  /** Still accepted, with a one-line warning made of this text, e.g. `use --auth-file`. */
  readonly deprecated?: string
  /** Rule of the value, checked before any file is read or any connection is made. @throws ERR_INVALID_INPUT */
  readonly check?: (text: string) => unknown
}

export interface Argument {
  readonly name: string
  readonly describe: string
  readonly optional?: boolean
  /** As {@link Option.file}. */
  readonly file?: true
  readonly maxBytes?: number
  /** As {@link Option.check}. */
  readonly check?: (text: string) => unknown
}

export interface Command {
  /** Words of the command, e.g. `keys list`; empty for what the program does without a command. */
  readonly name: string
  readonly summary: string
  /** Other spellings, complete (`keys ls`); accepted, not shown in the list of commands. */
  readonly aliases?: readonly string[]
  readonly arguments?: readonly Argument[]
  readonly options?: readonly Option[]
  /** Does the work and returns what {@link print} or `--json` shows; undefined prints nothing. */
  run(input: Input, io: Io): Promise<unknown>
  /** Human output; without it: a text as a line, a list as a table, a record as `name: value` lines. */
  print?(value: never, io: Io): void | Promise<void>
  /** Exit status of a run that returned (0 without it), e.g. 1 when a verification found faults. */
  exitCode?(value: never): number
  /**
   * It makes the folder that it works in, unless `--dry-run` is given. All others refuse a place where there is none: most
   * often it is mistyped.
   */
  readonly setsUp?: true
  /** Account to drop to instead of the program's. `false`: runs as whoever started it. */
  readonly dropTo?: ServiceUser | false
}

export interface Input {
  readonly args: Readonly<Record<string, string | undefined>>
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>
  /** Contents by argument or flag name. */
  readonly files: Readonly<Record<string, Buffer>>
  readonly home: Home
}

/** Where the parts of one installation keep their files. */
export interface Home {
  readonly root: string
  readonly keyhsm: string
  readonly keytrustee: string
  readonly client: string
  readonly 'keytrustee-kms': string
}

export interface Io {
  readonly stdin: NodeJS.ReadableStream
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly env: Readonly<Record<string, string | undefined>>
  /** A person can be asked: standard input and standard error are terminals. */
  readonly isTerminal: boolean
  /** `--json` was given. */
  readonly json: boolean
  /** One line of input after `prompt` on standard error. @throws ERR_INVALID_INPUT when input ends. */
  ask(prompt: string): Promise<string>
  /** As {@link ask}, without echo; `shown` stands on the terminal in place of the answer. */
  askSecret(prompt: string, shown?: string): Promise<string>
  /** One line to standard error after the program's name. */
  words(line: string): void
  /** One `hint:` line to standard error. */
  hint(line: string): void
}

export interface Program {
  readonly name: string
  readonly version: string
  readonly summary: string
  readonly commands: readonly Command[]
  /** Summaries of command groups, e.g. `{ keys: 'HSM keys' }`. */
  readonly groups?: Readonly<Record<string, string>>
  /** Where an installed program keeps its files, when neither `--home` nor KEYHSM_HOME says. */
  defaultHome(env: Readonly<Record<string, string | undefined>>): Home
  /** Account every command drops to when started as root. */
  readonly user?: ServiceUser
}
