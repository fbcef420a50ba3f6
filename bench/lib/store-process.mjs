/** The process that works inside the database, as the user whose cluster it is. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export class StoreLoad {
  #child
  #answers

  constructor(stack) {
    const program = fileURLToPath(new URL('./store-load.mjs', import.meta.url))
    const command = [process.execPath, program, stack.home]
    const [name, ...args] = stack.isRoot
      ? ['runuser', '-u', 'keytrustee', '--', ...command]
      : command
    this.#child = spawn(name, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' })
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  async ask(order) {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`)
    const { value, done } = await this.#answers.next()
    if (done) throw new Error('the load in the database ended')
    return JSON.parse(value)
  }

  close() {
    this.#child.stdin.end()
  }
}
