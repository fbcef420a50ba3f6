#!/usr/bin/env node
/**
 * `npm start` as a user meets it: the four lines it prints are pasted into a shell, Ctrl-C stops everything, and a second
 * start finds the deposit again. Before that, a home that an interrupted first start left is put aside.
 */
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'

const deadlineMs = 120_000
const folder = mkdtempSync(join(tmpdir(), 'keyhsm-start-'))
chmodSync(folder, 0o755)
const home = join(folder, 'home')

await runMain(async () => {
  try {
    mkdirSync(home)
    writeFileSync(join(home, 'half-made'), '')
    await withStart(([environment, put, get, keys]) => {
      expect(paste(environment, put).includes('first-deposit'), 'the put was stored')
      expect(paste(environment, get) === 'my secret\n', 'the get returns it')
      expect(paste(keys) === '[]', 'the KMS answers')
    })
    const aside = readdirSync(folder).filter((name) => name.startsWith('home.unfinished-'))
    expect(aside.length === 1, 'the unfinished home was put aside')
    expect(!listens(), 'nothing listens after Ctrl-C')
    await withStart(([environment, , get, keys]) => {
      expect(paste(environment, get) === 'my secret\n', 'a second start returns it again')
      expect(paste(keys) === '[]', 'the KMS answers again')
    })
    expect(!listens(), 'nothing listens after the second Ctrl-C')
    return 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Starts, lends the four lines, presses Ctrl-C; the exit must be 0. */
async function withStart(use) {
  const child = spawn(process.execPath, [join(root, 'scripts/start.mjs')], {
    env: { ...process.env, KEYHSM_START_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = []
  child.stderr.on('data', (chunk) => said.push(chunk))
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
  const exited = new Promise((resolve) =>
    child.on('exit', (code, signal) => resolve(code ?? signal)),
  )
  try {
    const lines = await fourLines(child.stdout)
    if (lines.length === 4) use(lines)
  } finally {
    child.kill('SIGINT')
    await exited
    clearTimeout(timer)
  }
  const exit = await exited
  if (exit !== 0) throw new Stop(`start ended with ${exit}\n${Buffer.concat(said)}`)
}

async function fourLines(stdout) {
  const lines = []
  for await (const line of createInterface({ input: stdout })) {
    lines.push(line)
    if (lines.length === 4) break
  }
  return lines
}

function paste(...lines) {
  return spawnSync('bash', ['-c', lines.join('\n')], { cwd: folder, encoding: 'utf8' }).stdout
}

/** Whether anything listens on a port of this home. */
function listens() {
  const ports = Object.values(JSON.parse(readFileSync(join(home, 'ports.json'), 'utf8')))
  const { stdout } = spawnSync('ss', ['-ltnH'], { encoding: 'utf8' })
  return stdout.split('\n').some((line) => ports.some((port) => line.includes(`:${port} `)))
}

function expect(holds, what) {
  if (!holds) throw new Stop(`start: does not hold: ${what}`)
  console.log(`ok  ${what}`)
}
