import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { readConfiguration, toConfiguration } from '../../src/configuration/configuration.js'
import { parseHadoopXml } from '../../src/configuration/hadoop-xml.js'
import { xml } from '../support/test-kms.js'

const folder = mkdtempSync(join(tmpdir(), 'kms-xml-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe('configuration files', () => {
  it('are read with line, description, CDATA and final', () => {
    const text = `<?xml version="1.0"?>
<!-- comment -->
<configuration>
  <property>
    <name> a.b </name><value>x &amp; <![CDATA[<y>]]></value>
    <final>true</final><description>words</description><tag>SECURITY</tag>
  </property>
  <property name="c" value="d"/>
  <property><name>without value</name></property>
</configuration>`
    expect(parseHadoopXml(text, 'f.xml')).toEqual([
      { name: 'a.b', value: 'x & <y>', final: true, line: 4 },
      { name: 'c', value: 'd', final: false, line: 8 },
    ])
  })

  it.each([
    ['<configuration><property>', 'f.xml:1:25'],
    ['<other/>', 'must begin with <configuration>'],
    ['<configuration>\n<proprty/></configuration>', 'f.xml:2:'],
    ['<configuration><property><nam>x</nam></property></configuration>', '<nam> is not known'],
    ['<configuration><property><value>x</value></property></configuration>', 'has no <name>'],
    ['<configuration>words</configuration>', 'text cannot stand here'],
    ['<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><configuration/>', 'DOCTYPE'],
    [
      '<configuration><property><name>a</name><name>b</name></property></configuration>',
      'stands twice',
    ],
    ['<configuration>&unknown;</configuration>', 'f.xml:1:'],
    ['', 'f.xml:1:'],
  ])('say where and why %s is wrong', (text, words) => {
    expect(() => parseHadoopXml(text, 'f.xml')).toThrow(words)
  })

  it('fill in other values and the environment, and leave what is unknown', () => {
    const text = xml({
      a: '${b}/${env.HOME}',
      b: '${c}',
      c: 'x',
      d: '${nothing}',
      e: '${env.NO-dflt}',
      f: '${f}',
    })
    const found = toConfiguration(text, 'f.xml', { HOME: '/h' })
    expect([...found].map(([name, { text: value }]) => [name, value])).toEqual([
      ['a', 'x//h'],
      ['b', 'x'],
      ['c', 'x'],
      ['d', '${nothing}'],
      ['e', 'dflt'],
      ['f', '${f}'],
    ])
  })

  it('override one another but for final values, include others, and may be missing', async () => {
    const included = file('inc.xml', xml({ i: '1' }))
    const core = file(
      'core.xml',
      `<configuration xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="inc.xml"/>
      <property><name>a</name><value>core</value><final>true</final></property>
      <property><name>b</name><value>core</value></property></configuration>`,
    )
    const site = file('site.xml', xml({ a: 'site', b: 'site' }))
    const found = await readConfiguration([core, join(folder, 'none.xml'), site], {})
    expect([found.get('i')?.text, found.get('a')?.text, found.get('b')?.text]).toEqual([
      '1',
      'core',
      'site',
    ])
    expect(found.get('b')).toMatchObject({ file: 'site.xml', line: 3 })
    writeFileSync(
      included,
      `<configuration xmlns:xi="x"><xi:include href="inc.xml"/></configuration>`,
    )
    await expect(readConfiguration([core], {})).rejects.toThrow('includes itself')
  })

  it('come back as they were written, and nothing else crashes', () => {
    const name = fc
      .string({ minLength: 1 })
      .filter((text) => /^[ -~]+$/.test(text) && text.trim() === text)
    fc.assert(
      fc.property(name, fc.stringMatching(/^[ -~]*$/), (key, value) => {
        const [item] = parseHadoopXml(xml({ [key]: value }).replaceAll(']]>', ']]&gt;'), 'f.xml')
        expect(item).toMatchObject({ name: key, value })
      }),
      { numRuns: 100 },
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseHadoopXml(text, 'f.xml')
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SETTINGS' })
        }
      }),
      { numRuns: 200 },
    )
  })
})
