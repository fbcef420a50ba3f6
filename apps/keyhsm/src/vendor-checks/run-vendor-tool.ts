/** Runs a tool that a vendor's client brings: without a shell, with a limit on time and output, never with a secret. */
import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { basename, delimiter, join } from 'node:path'
import type { VendorSurroundings } from './finding.js'

export interface VendorTool {
  /** Where the vendor installs it; otherwise it is looked for by its name in PATH. */
  readonly place: string
  readonly args: readonly string[]
  /** Written to its standard input, which is closed then. */
  readonly input?: string
  /** Milliseconds. */
  readonly limitMs?: number
}

export interface ToolRun {
  /** Undefined when it did not end in time. */
  readonly status: number | undefined
  /** Standard output and error, as they came. */
  readonly output: string
}

const usualLimitMs = 15_000
/** Between the end of a tool and that of its output. */
const drainMs = 500
const maxOutputBytes = 256 * 1024

/** What the tool said, or undefined when it is not installed. */
export async function runVendorTool(
  { root, path, device }: VendorSurroundings,
  { place, args, input = '', limitMs = usualLimitMs }: VendorTool,
): Promise<ToolRun | undefined> {
  const program = await findProgram([join(root, place), ...inPath(basename(place), path)])
  if (program === undefined) return undefined
  return await new Promise((resolve) => {
    const own = 'env' in device ? device.env : {}
    const env = { PATH: path, LANG: 'C', LC_ALL: 'C', ...own }
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    let late = false
    const take = (chunk: Buffer): void => {
      if (output.length < maxOutputBytes) output += chunk.toString('utf8')
    }
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, limitMs)
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    // A tool that ends without reading is not a fault.
    child.stdin.on('error', () => undefined)
    child.once('error', () => resolve({ status: 127, output }))
    let drained: NodeJS.Timeout | undefined
    child.once('exit', () => {
      // What it started may keep the pipes open for ever.
      drained = setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
      }, drainMs)
    })
    child.once('close', (status) => {
      clearTimeout(timer)
      clearTimeout(drained)
      resolve({ status: late ? undefined : (status ?? 1), output })
    })
    child.stdin.end(input)
  })
}

function inPath(name: string, path: string): string[] {
  return path.split(delimiter).flatMap((folder) => (folder === '' ? [] : [join(folder, name)]))
}

async function findProgram(candidates: readonly string[]): Promise<string | undefined> {
  for (const candidate of candidates) {
    const usable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (usable) return candidate
  }
  return undefined
}
