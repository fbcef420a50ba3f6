/** The stacks of a run: one that the harmless groups share, and those that are thrown away. */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../../scripts/lib/sources.mjs'
import { freePort } from '../../lib/ports.mjs'
import { Stack } from '../../lib/stack.mjs'
import { killLeftovers } from './processes.mjs'
import { mountSmallDisks } from './small-disks.mjs'

export class Stacks {
  #shared
  #all = new Set()
  /** Places that held a secret when a stack was removed. */
  leaks = []

  /** A stack that serves: `shared` is brought up once, and anew when a case left it unable to serve. */
  async take(kind) {
    if (kind === 'own') return this.#bringUp()
    if (kind === 'bare') return this.#create()
    if (kind === 'small-disks') return this.#bringUp(mountSmallDisks)
    if (this.#shared && !(await serves(this.#shared))) await this.#remove(this.#shared)
    if (!this.#shared || !this.#all.has(this.#shared)) this.#shared = await this.#bringUp()
    return this.#shared
  }

  async giveBack(kind, stack) {
    if (stack && kind !== 'shared') await this.#remove(stack)
  }

  async removeAll() {
    for (const stack of this.#all) await this.#remove(stack)
  }

  /** A home with nothing in it. Ports are never the usual ones: a person's own stack may have them. */
  async #create() {
    const ports = { keyhsm: await freePort(0), trustee: await freePort(0) }
    const stack = await Stack.create({ ports })
    this.#all.add(stack)
    armCrashes(stack)
    return stack
  }

  async #bringUp(before = () => {}) {
    const stack = await this.#create()
    before(stack)
    await stack.bringUp()
    return stack
  }

  async #remove(stack) {
    this.#all.delete(stack)
    await stack.stop({ quiet: true })
    await killLeftovers(stack)
    stack.disks?.unmount()
    await stack.remove().catch((error) => this.leaks.push(error.message))
  }
}

/** Both services load what kills them at a named step; without the file `armed` it does nothing. */
function armCrashes(stack) {
  const folder = join(stack.home, 'crash')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  // Two users write it.
  writeFileSync(join(folder, 'hits'), '')
  chmodSync(join(folder, 'hits'), 0o666)
  const preload = join(stack.home, 'crash-at.mjs')
  copyFileSync(join(root, 'interop/lib/crash-at.mjs'), preload)
  stack.crashFolder = folder
  Object.assign(stack.env, { KEYHSM_CRASH_DIR: folder, NODE_OPTIONS: `--import ${preload}` })
  Object.assign(stack.shell.env, stack.env)
}

async function serves(stack) {
  const status = await stack.run('ktadmin status --json', { exit: 'any', quiet: true })
  return status.exit === 0
}
