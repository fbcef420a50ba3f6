import { describe, expect, it } from 'vitest'

const { linesOfProgram, listsOfTest } = (await import(
  new URL('../lib/command-lines.mjs', import.meta.url).href
)) as {
  linesOfProgram(path: string, text: string, names: readonly string[]): { readonly text: string }[]
  listsOfTest(path: string, text: string): { readonly words: readonly string[] }[]
}

/** Command lines of a test that begin with `first`. */
function lists(text: string, first: string): string[] {
  const found = listsOfTest('x.test.ts', text).filter(({ words }) => words[0] === first)
  return [...new Set(found.map(({ words }) => words.join(' ')))]
}

describe('the command lines of a test', () => {
  it('are told apart: none has what another has', () => {
    const text = `test('x', async () => {
      const more = ['--force']
      await run(['one', '--json'])
      await run(['two', ...more])
    })`
    expect(lists(text, 'one')).toEqual(['one --json'])
    expect(lists(text, 'two')).toEqual(['two --force'])
  })

  it('are what each caller of a helper gives, through several helpers', () => {
    const text = `
      const keyhsm = (...argv: string[]) => run(home, ['--home', home, ...argv])
      function setup(...more: string[]) { return keyhsm('setup', 'softhsm', ...more) }
      test('a', () => setup('--force'))
      test('b', () => setup())`
    expect(lists(text, 'setup')).toEqual(['setup softhsm --force', 'setup softhsm'])
    expect(lists(text, '--home')).toEqual([
      '--home UNKNOWN setup softhsm --force',
      '--home UNKNOWN setup softhsm',
    ])
  })

  it('are one for each row of a table', () => {
    const text = `
      it.each([[['list'], 2], [['revoke', '--yes'], 0]] as const)('%j', (argv, status) => run(['keys', ...argv]))
      for (const flag of ['--a', '--b']) run(['show', flag])
      for (const { order } of [{ order: ['c'] }]) run(['stop', ...order])`
    expect(lists(text, 'keys')).toEqual(['keys list', 'keys revoke --yes'])
    expect(lists(text, 'show')).toEqual(['show --a', 'show --b'])
    expect(lists(text, 'stop')).toEqual(['stop c'])
  })

  it('are not what is expected of them', () => {
    expect(lists("test('x', () => { expect(said).toEqual(['stop', '--now']) })", 'stop')).toEqual(
      [],
    )
  })
})

it('the texts of a program have put in what it declares', () => {
  const text = `class A { constructor() { this.setup = \`keyhsm setup \${kind}\` } }
    const kind = 'softhsm'
    const voters = names.map((name) => \`--trustee \${name}\`).join(' ')
    run(\`\${a.setup} --force\`); run(\`keytrustee put x \${voters} --votes 2\`)`
  const lines = linesOfProgram('x.mjs', text, ['keyhsm', 'keytrustee']).map((line) => line.text)
  expect(lines).toContain('keyhsm setup softhsm --force')
  expect(lines).toContain('keytrustee put x --trustee UNKNOWN --votes 2')
})
