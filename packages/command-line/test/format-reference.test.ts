import { expect, it } from 'vitest'
import { formatReference } from '../src/format-reference.js'
import { formatHelp } from '../src/grammar.js'
import { echoCommand, programOf } from './sample.js'

it('has every command with its help text, aliases aside', () => {
  const program = programOf(echoCommand({ name: 'keys list', aliases: ['keys ls'] }), echoCommand())
  const page = formatReference(program)
  expect(page.match(/^#+ .*$/gm)).toEqual(['## sample', '### sample keys list', '### sample echo'])
  expect(page).toContain(formatHelp(program, ['keys', 'list']).trimEnd())
})
