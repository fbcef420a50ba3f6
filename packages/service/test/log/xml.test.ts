import { describe, expect, it } from 'vitest'
import { parseXml, XmlFault } from '../../src/log/xml.js'

/** Line and column of the fault, and what it is. */
function faultOf(text: string): string {
  try {
    parseXml(text)
  } catch (error) {
    if (error instanceof XmlFault)
      return `${error.place.line}:${error.place.column} ${error.message}`
    throw error
  }
  return 'none'
}

describe('parseXml', () => {
  it('gives elements with attributes, text and the place behind their start tag', () => {
    const [root] = parseXml(
      '\uFEFF<?xml version="1.0" encoding="UTF-8"?>\n<a x="1">\n  <!-- note -->\n  <b> t &amp; <![CDATA[<u>]]> </b>\n</a>',
    )
    expect(root).toMatchObject({ name: 'a', attributes: { x: '1' }, text: '', line: 2, column: 10 })
    expect(root?.children).toMatchObject([{ name: 'b', text: 't & <u>', line: 4, column: 6 }])
  })

  it.each([
    [
      '<?xml version="1.0" encoding="latin1"?><a/>',
      '1:1 the encoding latin1 is not supported, use UTF-8',
    ],
    ['<a>\n  <b></a>', '2:10 unexpected close tag'],
    ['<a', '1:3 unexpected end'],
    ['<a x=1/>', '1:7 unquoted attribute value'],
    ['<a>&lol;</a>', '1:9 undefined entity'],
    ['<!DOCTYPE a [<!ENTITY e "x">]><a/>', '1:10 inappropriately located doctype declaration'],
    ['text<a/>', '1:6 text outside of every element'],
    ['<a>'.repeat(17), '1:52 elements are nested too deep'],
    ['<a/>'.repeat(2001), '1:8005 there are too many elements'],
    [' '.repeat(1024 * 1024 + 1), '1:1 the file is too long'],
  ])('refuses what is no document of ours: %#', (text, fault) => {
    expect(faultOf(text)).toBe(fault)
  })
})
