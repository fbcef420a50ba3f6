import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const { headOf } = (await import(new URL('../lib/say.mjs', import.meta.url).href)) as {
  headOf(file: string): string
}

const root = join(import.meta.dirname, '../..')
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>
}
const programs = Object.values(scripts).flatMap((command) => command.match(/\S+\.mjs/g) ?? [])
const withHelp = programs.filter((file) =>
  readFileSync(join(root, file), 'utf8').includes('runMain('),
)

it.each(withHelp)('%s says what it is and which options it has', (file) => {
  const head = headOf(join(root, file))
  expect(head.split(' ').length).toBeGreaterThan(5)
  const options = readFileSync(join(root, file), 'utf8').match(
    /(?<=^ +)'?[a-z-]+'?(?=: \{ type: ')/gm,
  )
  for (const option of options ?? []) expect(head).toContain(`--${option.replaceAll("'", '')}`)
})

it('is printed by --help, and nothing is run', () => {
  const program = 'interop/crash-loop.mjs'
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, program), '--help'])
  expect([status, stderr.toString()]).toEqual([0, ''])
  expect(stdout.toString()).toBe(`${headOf(join(root, program))}\n`)
})
