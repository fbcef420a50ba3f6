import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { completionCommand } from '../src/completion.js'
import { echoCommand, programOf, runWith } from './sample.js'

const program = programOf(
  echoCommand({
    name: 'keys list',
    options: [
      { flag: 'tag', value: 'T', describe: 'a tag' },
      { flag: 'list-file', value: 'F', describe: 'a file', file: true },
    ],
  }),
  echoCommand({ name: 'keys show' }),
  echoCommand(),
  completionCommand(() => program),
)

/** What bash offers after these words. */
async function complete(...words: string[]): Promise<string[]> {
  const { out } = await runWith(program, ['completion', 'bash'])
  const typed = words.map((word) => `'${word}'`).join(' ')
  const ask = `COMP_WORDS=(sample ${typed}); COMP_CWORD=${words.length}; _sample; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout } = spawnSync('bash', ['-c', `${out}\n${ask}`], { encoding: 'utf8' })
  return stdout.split('\n').filter((word) => word !== '')
}

describe('completion', () => {
  it('offers commands, words of groups and options to bash', async () => {
    expect(await complete('')).toEqual(expect.arrayContaining(['keys', 'echo', 'completion']))
    expect(await complete('ke')).toEqual(['keys'])
    expect(await complete('keys', 's')).toEqual(['show'])
    expect(await complete('keys', 'list', '--t')).toEqual(['--tag'])
    expect(await complete('keys', 'show', '--t')).toEqual([])
    expect(await complete('keys', 'list', '--list-file', '/etc/pass')).toContain('/etc/passwd')
  })

  it('prepares zsh and refuses other shells', async () => {
    expect((await runWith(program, ['completion', 'zsh'])).out).toContain('bashcompinit')
    expect((await runWith(program, ['completion', 'fish'])).status).toBe(2)
  })
})
