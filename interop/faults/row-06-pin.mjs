/** Row 6: a wrong PIN is tried once, by whatever comes first; then nothing logs in until a person acts. */
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { names, softhsmModule } from '../lib/stack.mjs'
import { facts, until } from './lib/case.mjs'
import { buildFaultyLibrary } from './lib/faulty-library.mjs'
import { hostPidOf, kill, pidOf } from './lib/processes.mjs'

const clearly = 'says that the HSM refused the login and what to do'

const cases = [
  attempt('keyhsm validate', { logins: 1 }),
  attempt('keyhsm start, after that', { logins: 0 }),
  attempt('keyhsm start four times more, as a service manager would', { logins: 0, times: 4 }),
  attempt('keyhsm validate, after that', { logins: 0 }),
  {
    row: 6,
    name: 'keyhsm status meanwhile',
    expected: 'exit 69, says that the HSM refused the login, logins 0',
    run: async ({ stack, library }) => {
      library.forget()
      const { exit, stderr } = await stack.run('keyhsm status', { exit: 'any' })
      const said = facts([
        /the HSM refused the login/.test(stderr),
        'says that the HSM refused the login',
        stderr,
      ])
      return `exit ${exit}, ${said}, logins ${library.calls('C_Login')}`
    },
  },
  attempt('keyhsm login-reset and keyhsm start', { logins: 1, before: 'keyhsm login-reset' }),
  attempt('keyhsm start, after that', { logins: 0 }),
  {
    row: 6,
    name: 'keyhsm setup with another wrong PIN',
    expected: 'exit 78, logins 1, settings unchanged',
    run: async ({ stack, library }) => {
      const settings = join(stack.home, 'keyhsm/application.properties')
      const before = readFileSync(settings, 'utf8')
      library.forget()
      const wrong = join(stack.home, 'pin-wrong')
      writeFileSync(wrong, 'not-the-pin', { mode: 0o600 })
      const { exit } = await setUp(stack, library, wrong, { exit: 'any' })
      const same = readFileSync(settings, 'utf8') === before
      return `exit ${exit}, logins ${library.calls('C_Login')}, ${facts([same, 'settings unchanged'])}`
    },
  },
  {
    row: 6,
    name: 'keyhsm setup with the right PIN, then start',
    expected: 'exit 0, serves',
    run: async ({ stack, library }) => {
      const { exit } = await setUp(stack, library, stack.pinFile, { exit: 'any' })
      await stack.startKeyHsm()
      const status = await stack.run('keyhsm status', { exit: 'any', quiet: true })
      return `exit ${exit}, ${facts([status.exit === 0, 'serves', status.stderr])}`
    },
  },
  {
    row: 6,
    name: 'PIN changed while the service runs, library process killed, five requests, service started again',
    expected: 'state login-refused, every request exit 78, logins 1',
    run: async ({ stack, library }) => {
      await changePin(stack)
      library.forget()
      await kill(hostPidOf(stack))
      const state = await until(() => stateOf(stack, 'login-refused'), { what: 'login-refused' })
      const exits = new Set()
      for (let i = 0; i < 5; i++)
        exits.add((await stack.run('keyhsm keys list', { exit: 'any' })).exit)
      await stack.run('keyhsm stop')
      exits.add((await stack.run('keyhsm start', { exit: 'any' })).exit)
      return `state ${state}, every request exit ${[...exits].join(' or ')}, logins ${library.calls('C_Login')}`
    },
  },
]

/** Runs the last command of `name`'s beginning some times and counts logins. */
function attempt(name, { logins, times = 1, before }) {
  const command = before ? 'keyhsm start' : /^keyhsm \w+/.exec(name)[0]
  return {
    row: 6,
    name,
    expected: `exit 78, ${clearly}, logins ${logins}, nothing runs`,
    run: async ({ stack, library }) => {
      library.forget()
      if (before) await stack.run(before)
      const results = []
      for (let i = 0; i < times; i++) results.push(await stack.run(command, { exit: 'any' }))
      const exits = new Set(results.map(({ exit }) => exit))
      const clear = results.every(
        ({ stderr }) =>
          /refused the login|login.*refused/.test(stderr) && /hint: .*PIN/.test(stderr),
      )
      const said = facts([clear, clearly, results[0].stderr])
      const runs = facts([pidOf(stack, 'keyhsm') === undefined, 'nothing runs', 'IT RUNS'])
      return `exit ${[...exits].join(' or ')}, ${said}, logins ${library.calls('C_Login')}, ${runs}`
    },
  }
}

function setUp(stack, { library }, pinFile, options) {
  return stack.run(
    `keyhsm setup softhsm --library ${library} --token-label ${names.token} --pin-file ${pinFile} --port ${stack.ports.keyhsm} --management-port ${stack.ports.management} --service-port 0`,
    options,
  )
}

/** Somebody changes the PIN with the HSM's own tool and does not tell Key HSM; the stack's pin file has the new one. */
async function changePin(stack) {
  const pin = randomBytes(9).toString('base64url')
  await stack.run(
    `${stack.asKeyHsm}pkcs11-tool --module ${softhsmModule} --token-label ${names.token} --login --pin "$(cat ${stack.pinFile})" --change-pin --new-pin ${pin}`,
    { quiet: true },
  )
  writeFileSync(stack.pinFile, pin, { mode: 0o600 })
}

async function stateOf(stack, wanted) {
  const { stdout } = await stack.run('keyhsm status --json', { exit: 'any', quiet: true })
  return JSON.parse(stdout).state === wanted ? wanted : undefined
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'bare',
  cases,
  async prepare(stack) {
    const library = buildFaultyLibrary(stack)
    await stack.makeToken()
    await setUp(stack, library, stack.pinFile, {})
    await changePin(stack)
    return { library }
  },
}
