import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { branch, leaf, type XmlElement } from '../../src/xml/element.js'
import { ElementReader } from '../../src/xml/element-reader.js'
import { formatElement } from '../../src/xml/format-element.js'
import { WireError } from '../../src/wire/wire-error.js'
import { feed } from '../support/feed.js'

const names = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,12}$/)
// Text is trimmed when it is read, and a carriage return cannot be carried.
const texts = fc
  .string({ unit: 'binary', maxLength: 40 })
  .map((text) => text.replaceAll(/[^\t\n -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '').trim())
const elements = fc.letrec<{ element: XmlElement }>((tie) => ({
  element: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.tuple(names, texts).map(([name, text]) => leaf(name, text)),
    fc
      .tuple(names, fc.array(tie('element'), { minLength: 1, maxLength: 4 }))
      .map(([name, children]) => branch(name, children)),
  ),
})).element
const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 })

const read = (bytes: Buffer, at: readonly number[] = []) => {
  const reader = new ElementReader()
  return feed(bytes, at, (queue) => reader.read(queue))
}

test('what is written is read, wherever it is cut, and what follows is left', () => {
  fc.assert(
    fc.property(elements, cuts, fc.uint8Array({ maxLength: 30 }), (element, at, tail) => {
      const bytes = Buffer.concat([formatElement(element), tail])
      const { result, left } = read(bytes, at)
      expect(result).toEqual(element)
      expect(left).toEqual(Buffer.from(tail))
    }),
    { numRuns: 150 },
  )
})

test('damaged messages are refused or read, never anything else', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(elements, damage, cuts, (element, changes, at) => {
      const bytes = formatElement(element)
      for (const [where, byte] of changes) bytes[where % bytes.length] = byte
      try {
        read(bytes, at)
      } catch (error) {
        expect(error).toBeInstanceOf(WireError)
      }
    }),
    { numRuns: 300 },
  )
})

describe('refused', () => {
  const billion = '<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;">]><a>&m;</a>'
  const rows: [string, string, string][] = [
    ['a document type', '<!DOCTYPE a><a/>', 'forbidden-xml'],
    ['entities that grow', billion, 'forbidden-xml'],
    ['an external entity', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', 'forbidden-xml'],
    ['an entity that nobody declared', '<a>&nbsp;</a>', 'not-xml'],
    ['a comment', '<a><!-- x --></a>', 'forbidden-xml'],
    ['a CDATA section', '<a><![CDATA[x]]></a>', 'forbidden-xml'],
    ['a processing instruction', '<a><?x y?></a>', 'forbidden-xml'],
    [
      'a declaration of another encoding',
      '<?xml version="1.0" encoding="UTF-16"?><a/>',
      'forbidden-xml',
    ],
    ['a declaration in the middle', '<a><?xml version="1.0"?></a>', 'forbidden-xml'],
    ['tags that do not match', '<a></b>', 'not-xml'],
    ['an end without a beginning', '</a>', 'not-xml'],
    ['text beside elements', '<a>x<b/></a>', 'not-xml'],
    ['an attribute given twice', '<a b="1" b="2"/>', 'not-xml'],
    ['a control character', '<a>\u0001</a>', 'not-xml'],
    ['a reference to a control character', '<a>&#1;</a>', 'not-xml'],
    ['depth', `${'<a>'.repeat(17)}`, 'too-large'],
    ['many elements', `<a>${'<b/>'.repeat(50_000)}`, 'too-large'],
    ['length without an end', `<a>${'x'.repeat(2 ** 20)}`, 'too-large'],
    ['TLS', '\u0015\u0003\u0003', 'tls'],
    ['HTTP', 'HTTP/1.1 400 Bad Request', 'http'],
    ['KMIP', 'B\u0000', 'kmip'],
    ['noise', 'x', 'not-xml'],
  ]
  test.each(rows)('%s', (_what, text, fault) => {
    expect(() => read(Buffer.from(text, 'utf8'))).toThrow(expect.objectContaining({ fault }))
  })

  test('bytes that are not UTF-8', () => {
    const bytes = Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e])
    expect(() => read(bytes)).toThrow(expect.objectContaining({ fault: 'not-xml' }))
  })

  test('without quoting what was there', () => {
    try {
      read(Buffer.from('<a>MARKED-SECRET</b>'))
      expect.unreachable()
    } catch (error) {
      expect(JSON.stringify(error) + String(error) + String((error as Error).cause)).not.toContain(
        'MARKED',
      )
    }
  })
})

test('white space around, a declaration, attributes, the five entities and references are read', () => {
  const text =
    ' \r\n<?xml version="1.0" encoding="utf-8"?><a x=">">\n<b> &lt;&amp;&gt;&quot;&apos;&#65;é </b>\n<c/></a>'
  const { result } = read(Buffer.from(text))
  expect(result).toEqual(branch('a', [leaf('b', `<&>"'Aé`), leaf('c')]))
})

test('a password that XML cannot carry is refused by name, unsaid', () => {
  const write = () => formatElement(leaf('Passwd', 'MARKED\u0000'))
  expect(write).toThrow(/^Passwd holds a character/)
  expect(() => formatElement(leaf('a b'))).toThrow(/name of an XML element/)
})
