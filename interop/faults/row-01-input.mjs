/** Row 1: what a user types wrong is answered at once, with one line that names the field and the rule. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { watchHsm } from './lib/audit.mjs'
import { facts } from './lib/case.mjs'
import { ask, identityOf, keytrustee, verdictOf } from './lib/clients.mjs'

const tooLong = 'a'.repeat(129)
const length = 'handle must be 1 to 128 characters'
const letters =
  'handle must start with a letter or digit and hold only letters, digits, ".", "_" and "-"'

/** A command of a client, what its one line must say, and how that is recognised where the line holds more. */
const typed = [
  ['put with an empty handle', `put '' content`, length],
  ['put with a handle of 129 characters', `put ${tooLong} content`, length],
  ['put with a handle that begins with -', 'put -- -x content', letters],
  ['put with a handle that begins with .', 'put .x content', letters],
  ['put with / in the handle', 'put a/b content', letters],
  ['put with a blank in the handle', `put 'a b' content`, letters],
  ['put with a letter outside ASCII in the handle', 'put ä content', letters],
  ['get with an empty handle', `get ''`, length],
  ['remove with / in the handle', 'remove a/b', letters],
  ['unknown option', 'put a content --sope deposit', 'unknown option --sope', /'--sope'/],
  [
    'option without its value',
    'put a content --scope',
    '--scope needs a value',
    /--scope .*argument missing/,
  ],
  [
    'value that an option does not know',
    'put a content --scope all',
    '--scope must be one of',
    /./,
  ],
  [
    'file that is not there',
    'put a absent',
    'file does not exist',
    /file .*does not exist: absent/,
  ],
  ['file that is a directory', 'put a client', 'file is a directory', /file .*directory: client/],
]

const cases = typed.map(([name, args, rule, pattern]) => ({
  row: 1,
  name,
  expected: `exit 2, one line: ${rule}`,
  run: async ({ stack }) => {
    const { exit, stderr } = await keytrustee(stack, args)
    return `exit ${exit}, ${oneLine(stderr, rule, pattern)}`
  },
}))

cases.push(
  {
    row: 1,
    name: 'file that the user may not read',
    expected: 'exit 2, one line: file may not be read',
    run: async ({ stack }) => {
      const user = stack.isRoot ? 'runuser -u nobody -- ' : ''
      writeFileSync(join(stack.home, 'unreadable'), 'x', { mode: 0 })
      const { exit, stderr } = await stack.run(
        `${user}keytrustee --home ${stack.home} put a unreadable`,
        { exit: 'any' },
      )
      return `exit ${exit}, ${oneLine(stderr, 'file may not be read', /file .*may not be read/)}`
    },
  },
  {
    row: 1,
    name: 'bad handle that a client of its own sends to the server',
    expected: '400 ERR_INVALID_INPUT, Key HSM not asked',
    run: async ({ stack }) => {
      const body = { requestId: crypto.randomUUID(), content: 'eA==' }
      const put = () =>
        ask(stack, '/v1/deposits/a%20b', { method: 'PUT', body, tls: identityOf(stack) })
      const { result, untouched } = await watchHsm(stack, put)
      return `${verdictOf(result)}, ${facts([untouched, 'Key HSM not asked', 'KEY HSM ASKED'])}`
    },
  },
)

function oneLine(stderr, rule, pattern) {
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('hint:'))
  const said = lines[0]?.replace(/^keytrustee: /, '') ?? ''
  const holds = pattern ? pattern.test(said) : said === rule
  return lines.length === 1 && holds ? `one line: ${rule}` : `${lines.length} lines: ${said}`
}

/** @type {import('./lib/case.mjs').Group} */
export const group = {
  stack: 'shared',
  cases,
  async prepare(stack) {
    writeFileSync(join(stack.home, 'content'), 'content')
    return {}
  },
}
