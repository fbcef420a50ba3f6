import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editSettings, viewSettings } from '../src/edit-settings.js'
import { readSettingLines } from '../src/properties.js'

const text = '# head\n\na = 1\n! about b\nb:2\n  c   3 \\\n   4\n# tail\n'

describe('editSettings', () => {
  it('changes nothing when nothing changes', () => {
    expect(editSettings(text, {})).toBe(text)
  })

  it('changes a value in its own line and leaves comments, order and separators', () => {
    expect(editSettings(text, { a: 'x', c: 'https://h:1/?q=#' })).toBe(
      '# head\n\na = x\n! about b\nb:2\n  c = https://h:1/?q=#\n# tail\n',
    )
  })

  it('removes a line but not the comment above it, and adds new names at the end', () => {
    expect(editSettings(text, { b: undefined, 'n.w': 'sealed:v1:ab==' })).toBe(
      '# head\n\na = 1\n! about b\n  c   3 \\\n   4\n# tail\nn.w=sealed:v1:ab==\n',
    )
  })

  it('keeps one line of a repeated name, the line ends and the byte order mark', () => {
    expect(editSettings('\ufeffa=1\r\na=2\r\n', { a: '3' })).toBe('\ufeffa=3\r\n')
  })

  it('begins a file', () => {
    expect(editSettings('', { a: '1' })).toBe('a=1\n')
    expect(editSettings('', {})).toBe('')
  })

  it('writes any value so that it is read back', () => {
    const name = fc.stringMatching(/^[a-z][a-z .:=#!\\]{0,8}[a-z]$/)
    const value = fc.string({ unit: 'binary', maxLength: 30 }).map((v) => v.trim())
    fc.assert(
      fc.property(name, value, value, (key, first, second) => {
        const once = editSettings('# c\n', { [key]: first })
        const twice = editSettings(once, { [key]: second })
        expect(readSettingLines(once, 'f')).toEqual([{ name: key, text: first, line: 2 }])
        expect(readSettingLines(twice, 'f')).toEqual([{ name: key, text: second, line: 2 }])
      }),
      { numRuns: 300 },
    )
  })
})

describe('viewSettings', () => {
  it('gives names, keeps lines and values, leaves the rest empty', () => {
    const text = '# c\na.x = 1 \\\n  2\nb.y=3\n\n  a.z:4\n'
    const view = viewSettings(text, (name) => (name.startsWith('a.') ? name.slice(2) : undefined))
    expect(readSettingLines(view, 'f')).toEqual([
      { name: 'x', text: '1 2', line: 2 },
      { name: 'z', text: '4', line: 6 },
    ])
  })

  it('writes names that need escapes', () => {
    const view = viewSettings('a=1\n', () => 'a b:c')
    expect(readSettingLines(view, 'f')).toEqual([{ name: 'a b:c', text: '1', line: 1 }])
  })
})
