#!/usr/bin/env node
/**
 * `npm run terminal`: what an operator does at a terminal besides the manual's dialogues, at a real pseudo-terminal: Ctrl-C at every
 * question of setup leaves every file as it was, what is wrong is asked again, the keystore's password is asked for where nothing
 * holds it, PIN and password are changed; then deposits are moved into the HSM. Every secret typed is marked, and must stand nowhere afterwards.
 */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { migratesAtTerminal } from './lib/migration-at-terminal.mjs'
import { watchProcesses } from './lib/process-lists.mjs'
import { filesBelow } from './lib/secret-search.mjs'
import { Stack, softhsmModule } from './lib/stack.mjs'
import { atTerminal } from './lib/terminal.mjs'

const pinPrompt = 'PIN (input suppressed):'
const keystorePrompt = 'Please enter the keystore password (input suppressed):'
const newPasswordPrompt = 'Please enter the new keystore password (input suppressed):'
const againPrompt = 'Please enter it again (input suppressed):'

/** A person at a terminal of the stack's machine. */
class Operator {
  #processes = watchProcesses()

  constructor(stack) {
    this.stack = stack
    const { management } = stack.ports
    this.setup = `keyhsm setup softhsm --library ${softhsmModule} --management-port ${management} --service-port 0`
    this.settings = join(stack.home, 'keyhsm/application.properties')
    this.password = join(stack.home, 'keyhsm/keystore/password')
  }

  /** A secret that the stack searches for when it is removed. */
  mark(name) {
    const value = `MARK${randomBytes(12).toString('hex')}`
    this.stack.marks.push({ name, value })
    return value
  }

  /** Questions of setup with the answers of a first run, or the empty ones that keep what an earlier run was told. */
  questions({ again = false } = {}) {
    const port = String(this.stack.ports.keyhsm)
    return again
      ? [
          ['IP address: [127.0.0.1]', ''],
          [`PORT number: [${port}]`, ''],
          ['Token Label: [keytrustee]', ''],
          [pinPrompt, ''],
        ]
      : [
          ['IP address: [127.0.0.1]', '127.0.0.1'],
          ['PORT number: ', port],
          ['Token Label: ', 'keytrustee'],
          [pinPrompt, this.pin],
        ]
  }

  /** Types each answer when its question is the last on the screen, or `anywhere` on it. @returns what the screen showed */
  async types(command, answers, { exit = 0 } = {}) {
    const { stack } = this
    const result = await atTerminal({
      argv: ['bash', '-c', `exec ${command}`],
      env: { ...process.env, ...stack.env, TERM: 'dumb' },
      cwd: stack.home,
      turns: answers.map(([prompt, type, where]) => {
        return { prompt, type, anywhere: where === 'anywhere' }
      }),
      seconds: 60,
    })
    stack.shell.said['standard output'] += result.screen
    if (result.exit !== exit || result.unasked.length > 0) {
      const what = `exit ${result.exit} instead of ${exit}, not asked: ${result.unasked}`
      throw new Stop(`${command}: ${what}\n${result.screen}`)
    }
    return result.screen
  }

  /** Presses Ctrl-C at each question in turn, the ones before it answered; `look` sees what that left. */
  async interrupts(questions, look, order = this.setup) {
    for (const [index, [prompt]] of questions.entries()) {
      // A visible question is ended by the signal itself, a hidden one by the program, which reads the key.
      const exit = prompt.includes('suppressed') ? 1 : -2
      await this.types(order, [...questions.slice(0, index), [prompt, { key: 'c' }]], { exit })
      look(prompt)
    }
  }

  /** Every file of the home but the logs, by its content. */
  fingerprint() {
    const { home } = this.stack
    const digest = (path) => createHash('sha256').update(readFileSync(join(home, path)))
    return filesBelow(home, [/\/log\//])
      .map((path) => `${path} ${digest(path).digest('hex')}`)
      .join('\n')
  }

  /** The command lines and environments of all processes until now count as output. */
  leaves() {
    this.stack.shell.said['process lists'] = this.#processes.stop().join('\n')
  }
}

await runMain(async () => {
  const stack = await Stack.create()
  const operator = new Operator(stack)
  try {
    await setsUp(operator)
    await addsBackend(operator)
    await correctsAnswers(operator)
    await setsKeystorePassword(operator)
    await startsWithPassword(operator)
    operator.leaves()
    await startsWithVariable(operator)
    await migratesAtTerminal(operator, expect)
    return 0
  } finally {
    operator.leaves()
    await stack.remove()
  }
})

async function setsUp(operator) {
  const { stack, settings } = operator
  operator.pin = operator.mark('the PIN that was typed')
  await stack.makeToken({ pin: operator.pin })
  await operator.interrupts(operator.questions(), (prompt) => {
    expect(!existsSync(settings), `Ctrl-C at “${prompt}” of a first setup saves nothing`)
  })
  const screen = await operator.types(operator.setup, operator.questions())
  expect(screen.includes("Configuration saved in 'application.properties' file"), 'it sets up')
  const before = operator.fingerprint()
  await operator.interrupts(operator.questions({ again: true }), (prompt) => {
    expect(operator.fingerprint() === before, `Ctrl-C at “${prompt}” leaves every file as it was`)
  })
}

/** The first one's addresses are not asked for again. */
async function addsBackend(operator) {
  const { stack, settings, pin } = operator
  const order = `keyhsm setup softhsm --library ${softhsmModule} --backend second`
  await stack.makeToken({ pin, label: 'second' })
  const questions = [
    ['Token Label: ', 'second'],
    [pinPrompt, pin],
  ]
  const before = readFileSync(settings, 'utf8')
  await operator.interrupts(
    questions,
    (prompt) => {
      const same = readFileSync(settings, 'utf8') === before
      expect(same, `Ctrl-C at “${prompt}” of a further HSM leaves the settings as they were`)
    },
    order,
  )
  const screen = await operator.types(order, questions)
  const text = readFileSync(settings, 'utf8')
  expect(!screen.includes('IP address'), 'a further HSM is asked for its own answers alone')
  expect(
    text.startsWith(before.trimEnd()) && /^keyhsm\.backend\.second\./m.test(text),
    'and added below the lines of the first',
  )
  const twice = await operator.types(`${order}-again`, questions, { exit: 1 })
  expect(twice.includes('second'), 'its partition is refused under another name')
  await stack.run('keyhsm backend remove second --leave-keys')
}

async function correctsAnswers(operator) {
  const wrong = operator.mark('a wrong PIN')
  const screen = await operator.types('keyhsm setup softhsm --pin-only', [
    [pinPrompt, wrong],
    [pinPrompt, operator.pin],
  ])
  expect(screen.includes('refused'), 'a PIN that the HSM refuses is told, and asked for again')
}

async function setsKeystorePassword(operator) {
  operator.keystore = operator.mark('the password of the keystore')
  const text = readFileSync(operator.settings, 'utf8').replace(/^.*password\.set.*\n/gm, '')
  writeFileSync(operator.settings, `${text}keyhsm.keystore.password.set=yes\n`)
  const screen = await operator.types(operator.setup, [
    [newPasswordPrompt, 'short'],
    [newPasswordPrompt, operator.keystore],
    [againPrompt, operator.mark('a slip of the pen')],
    [newPasswordPrompt, operator.keystore],
    [againPrompt, operator.keystore],
    ...operator.questions({ again: true }),
  ])
  expect(screen.includes('at least 6 characters'), 'a short password is asked for again')
  expect(screen.includes('not the same both times'), 'and one that was not repeated')
}

/** Nothing holds the password any more: whoever starts the service knows it. */
async function startsWithPassword(operator) {
  const { stack, password, keystore } = operator
  rmSync(password)
  const refused = await stack.run('keyhsm start', { exit: 78 })
  expect(refused.stderr.includes('is not known'), 'without a terminal the start is refused')
  const wrong = operator.mark('a wrong password of the keystore')
  const screen = await operator.types('keyhsm start', [
    [keystorePrompt, wrong],
    [keystorePrompt, keystore],
  ])
  expect(screen.includes('has another password'), 'at a terminal a wrong one is asked for again')
  expect(screen.includes('is ready on'), 'and the service starts')
  await stack.run('keyhsm reload')
  await stack.run('keyhsm status')
  expect(!existsSync(password), 'it serves and reloads, and the password is in no file')
  await operator.types('keyhsm validate', [[keystorePrompt, keystore]])
  await operator.types('keyhsm cert renew --now', [[keystorePrompt, keystore]])
  await operator.types('keyhsm restart', [[keystorePrompt, keystore]])
  writeFileSync(`${stack.pinFile}.keystore`, keystore, { mode: 0o600 })
  await stack.run(`keyhsm restart --keystore-password-file ${stack.pinFile}.keystore`)
  await stack.run(`keyhsm validate --keystore-password-file ${stack.pinFile}.keystore`)
  await stack.run(`keyhsm cert renew --keystore-password-file ${stack.pinFile}.keystore --now`)
  await stack.run('keyhsm stop')
  await stack.run(`keyhsm start --keystore-password-file ${stack.pinFile}.keystore`)
  expect(!existsSync(password), 'validate, renewal and restart ask, or take it from a file')
}

/** The command's own environment holds it by its user's will; the service's does not. */
async function startsWithVariable({ stack, password, keystore }) {
  await stack.run('keyhsm stop')
  await stack.run(`KEYHSM_KEYSTORE_PASSWORD="$(cat ${stack.pinFile}.keystore)" keyhsm start`)
  const status = JSON.parse((await stack.run('keyhsm status --json', { quiet: true })).stdout)
  const environment = readFileSync(`/proc/${status.pid}/environ`, 'utf8')
  expect(
    !existsSync(password) && environment.includes('KEYHSM_HOME') && !environment.includes(keystore),
    'given by the environment it is not in that of the service',
  )
}

function expect(holds, what) {
  if (!holds) throw new Stop(`terminal: does not hold: ${what}`)
  console.log(`ok  ${what}`)
}
