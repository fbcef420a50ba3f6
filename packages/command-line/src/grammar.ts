/** The only file that names commander: turns the records of a program into a parser, and its errors into ours. */
import { DomainError, invalidInput } from '@keyhsm/core'
import { Command as Node, CommanderError, Option as NodeOption } from 'commander'
import type { Command, Option, Program } from './records.js'

/** What the arguments ask for. */
export type Parsed =
  | { readonly kind: 'run'; readonly call: Call }
  | { readonly kind: 'version' }
  /** `asked` is false when a command is missing: the text then goes to standard error with exit status 2. */
  | { readonly kind: 'help'; readonly text: string; readonly asked: boolean }

/** A command with its raw arguments. */
export interface Call {
  readonly command: Command
  readonly args: Record<string, string | undefined>
  readonly options: Record<string, string | boolean | readonly string[] | undefined>
  readonly json: boolean
  readonly home: string | undefined
}

interface Tree {
  readonly root: Node
  /** Text that commander wanted to print. */
  readonly printed: string[]
  called?: Call
}

/** Options that every command of every program has. */
export const commonOptions: readonly Option[] = [
  { flag: 'home', value: 'DIR', describe: 'directory of this installation (or KEYHSM_HOME)' },
  { flag: 'json', describe: 'print data and errors as JSON' },
]

/** @throws ERR_INVALID_INPUT for anything the records do not allow, with the nearest known word as a hint. */
export function parseCommandLine(program: Program, argv: readonly string[]): Parsed {
  const tree = growTree(program)
  try {
    tree.root.parse(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return callBare(program, tree, error) ?? translate(error, tree)
  }
  if (tree.called) return { kind: 'run', call: tree.called }
  return { kind: 'help', text: tree.root.helpInformation(), asked: false }
}

/** The help text of `words` (a command or a group), as `--help` prints it. */
export function formatHelp(program: Program, words: readonly string[]): string {
  const parsed = parseCommandLine(program, [...words, '--help'])
  return parsed.kind === 'help' ? parsed.text : ''
}

/** The command without a name, where nothing but common options was given. Commander then asks to print the help. */
function callBare(program: Program, tree: Tree, error: CommanderError): Parsed | undefined {
  const command = program.commands.find(({ name }) => name === '')
  const text = tree.printed.join('')
  if (!command || error.code !== 'commander.help' || error.exitCode === 0) return undefined
  if (text !== tree.root.helpInformation()) return undefined
  return { kind: 'run', call: readCall(tree.root, command, []) }
}

function growTree(program: Program): Tree {
  const printed: string[] = []
  const keep = (text: string) => void printed.push(text)
  const root = new Node(program.name)
    .description(program.summary)
    .version(program.version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ writeOut: keep, writeErr: keep, outputError: () => {} })
    .exitOverride()
    .enablePositionalOptions()
    .allowExcessArguments(false)
  const tree: Tree = { root, printed }
  addOptions(root, commonOptions)
  for (const command of program.commands) {
    // Told apart when nothing else was given: an action of the root would swallow mistyped commands.
    if (command.name === '' && program.commands.length > 1) continue
    const names = [command.name, ...(command.aliases ?? [])]
    names.forEach((name, place) => addCommand(tree, program, { name, hidden: place > 0, command }))
  }
  return tree
}

interface Place {
  readonly name: string
  readonly hidden: boolean
  readonly command: Command
}

function addCommand(tree: Tree, program: Program, { name, hidden, command }: Place): void {
  const words = name.split(' ').filter((word) => word !== '')
  let node = tree.root
  words.forEach((word, index) => {
    const path = words.slice(0, index + 1).join(' ')
    const found = node.commands.find((child) => child.name() === word)
    node = found ?? addNode(node, word, hidden, program.groups?.[path])
  })
  if (words.length > 0) node.description(command.summary)
  for (const { name: argument, describe, optional } of command.arguments ?? [])
    node.argument(optional === true ? `[${argument}]` : `<${argument}>`, describe)
  const options = command.options ?? []
  addOptions(node, options)
  node.action(() => {
    tree.called = readCall(node, command, options)
  })
}

function addNode(parent: Node, word: string, hidden: boolean, summary: string | undefined): Node {
  const node = parent.command(word, { hidden })
  node.description(summary ?? `commands about ${word}`)
  addOptions(node, commonOptions)
  return node
}

function addOptions(node: Node, options: readonly Option[]): void {
  for (const option of options) node.addOption(toNodeOption(option))
}

function toNodeOption(option: Option): NodeOption {
  const short = option.short === undefined ? '' : `-${option.short}, `
  const value = option.value === undefined ? '' : ` <${option.value}>`
  const words = option.deprecated === undefined ? '' : ` (deprecated: ${option.deprecated})`
  const node = new NodeOption(`${short}--${option.flag}${value}`, option.describe + words)
  // Commander would turn `--no-seal` into `seal: false`; here a switch is what it is called.
  node.negate = false
  if (option.value !== undefined) node.argParser(collector(option))
  return node
}

function collector(option: Option): (value: string, previous: unknown) => unknown {
  return (value, previous) => {
    if (option.repeatable === true) return [...((previous as string[] | undefined) ?? []), value]
    if (previous !== undefined) throw invalidInput(`--${option.flag}`, 'may be given only once')
    return value
  }
}

function readCall(node: Node, command: Command, options: readonly Option[]): Call {
  const given: Call['options'] = {}
  const own: Record<string, unknown> = node.opts()
  for (const option of options)
    given[option.flag] = own[toNodeOption(option).attributeName()] as string | undefined
  const args: Call['args'] = {}
  command.arguments?.forEach((argument, index) => {
    args[argument.name] = node.args[index]
  })
  const common = node.optsWithGlobals<{ home?: string; json?: boolean }>()
  return { command, args, options: given, json: common.json === true, home: common.home }
}

function translate(error: CommanderError, tree: Tree): Parsed {
  const text = tree.printed.join('')
  if (error.code === 'commander.version') return { kind: 'version' }
  if (error.code === 'commander.helpDisplayed') return { kind: 'help', text, asked: true }
  if (error.code === 'commander.help')
    return { kind: 'help', text, asked: error.message === '(outputHelp)' && error.exitCode === 0 }
  throw usageError(nameMistyped(tree, error))
}

/** Of a group that is a command itself (`db`), commander takes a mistyped command for an argument too many. */
function nameMistyped({ root }: Tree, error: CommanderError): CommanderError {
  if (error.code !== 'commander.excessArguments') return error
  let node = root
  for (let next: Node | undefined = root; next !== undefined; ) {
    node = next
    next = node.commands.find((child) => child.name() === node.args[0])
  }
  if (node.commands.length === 0) return error
  const group = new Node().helpCommand(false).exitOverride()
  group.configureOutput({ outputError: () => {} })
  for (const child of node.commands) group.command(child.name())
  try {
    group.parse(node.args.slice(0, 1), { from: 'user' })
    return error
  } catch (unknown) {
    return unknown as CommanderError
  }
}

/** Commander's sentence, without what follows `=`: a mistyped option may carry a secret. */
function usageError(error: CommanderError): DomainError {
  const [first = '', suggestion] = error.message.split('\n')
  const detail = first.replace(/^error: /, '').replace(/=.*'$/, "'")
  const nearest = suggestion?.replace(/^\(|\?\)$/g, '').replace(/^Did/, 'did')
  return new DomainError('ERR_INVALID_INPUT', detail, {
    hints: nearest === undefined ? [] : [`${nearest}?`],
  })
}
