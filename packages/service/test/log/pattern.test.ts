import { describe, expect, it } from 'vitest'
import type { LogRecord } from '../../src/log/record.js'
import { parsePattern } from '../../src/log/pattern.js'
import { conversionWords } from '../../src/log/pattern-words.js'
import { redactFields } from '../../src/log/redact.js'

const record: LogRecord = {
  time: Date.UTC(2016, 5, 3, 7, 27, 18, 412),
  level: 'info',
  logger: 'keyhsm.audit.copy',
  message: 'ready',
  fields: { port: 9090, who: 'a b' },
}
const failed: LogRecord = {
  ...record,
  fields: redactFields({ error: Object.assign(new Error('no peer'), { stack: '', name: 'Gone' }) }),
}
const format = (pattern: string, what = record) => parsePattern(pattern).format(what)

describe('parsePattern', () => {
  it.each([
    ['%msg', 'ready port=9090 who="a b"'],
    ['%level %logger: %m', 'INFO keyhsm.audit.copy: ready port=9090 who="a b"'],
    ['%p|%le|%lo|%c', 'INFO|INFO|keyhsm.audit.copy|keyhsm.audit.copy'],
    ['[%thread] [%t]', '[main] [main]'],
    ['%-6level|%6p|', 'INFO  |  INFO|'],
    ['%.2level|%.-2level|%-6.8p|', 'FO|IN|INFO  |'],
    ['%-10(%p %t)|', 'INFO main |'],
    ['%logger{0}|%logger{10}|%logger{99}', 'copy|k.a.copy|keyhsm.audit.copy'],
    ['%message %kvp', 'ready port=9090 who="a b"'],
    ['%kvp %message', 'port=9090 who="a b" ready'],
    ['%X{port}|%mdc{none}|%X{none:-dash}|%X', '9090||dash|port=9090, who="a b"'],
    ['100\\% \\(%p\\)\\t%p\\_x\\\\', '100% (INFO)\tINFOx\\'],
    ['%p)', 'INFO)'],
    ['%n', '\n'],
  ])('writes %s', (pattern, line) => {
    expect(format(pattern)).toBe(line)
  })

  it.each([
    ['%d{yyyy-MM-dd HH:mm:ss.SSS, UTC}', '2016-06-03 07:27:18.412'],
    ['%date{"HH:mm:ss,SSS", UTC}', '07:27:18,412'],
    ["%d{yyyy-MM-dd'T'HH:mm:ssXXX, UTC}", '2016-06-03T07:27:18Z'],
    ['%d{ISO8601, UTC}', '2016-06-03 07:27:18,412'],
    ['%d{EEE d MMM yy hh:mm a, UTC}', 'Fri 3 Jun 16 07:27 AM'],
    ['%d{HH:mm Z, Asia/Kolkata}', '12:57 +0530'],
    ['%d{HH:mm XXX X, America/New_York}', '03:27 -04:00 -04'],
    ["%d{h 'o''clock' EEEE S SSSSSS, UTC}", "7 o'clock Friday 4 412000"],
  ])('writes the date %s', (pattern, line) => {
    expect(format(pattern)).toBe(line)
  })

  it('writes local time without a zone, as the manual’s %date', () => {
    const local = new Date(record.time)
    expect(format('%date')).toMatch(/^2016-06-0[234] \d\d:\d\d:18,412$/)
    expect(format('%d{HH}')).toBe(String(local.getHours()).padStart(2, '0'))
  })

  it('puts errors behind the line, unless a word of the pattern says where or that they shall not stand', () => {
    expect(format('%msg%n', failed)).toBe('ready\n    Gone: no peer\n')
    expect(format('%ex{short}%msg%n', failed)).toBe('    Gone: no peer\nready\n')
    expect(format('%msg%nopex%n', failed)).toBe('ready\n')
    expect(format('%msg %ex{0}%n', failed)).toBe('ready \n')
  })

  it.each([
    ['%wrong', '[wrong] is not a valid conversion word'],
    ['%msgs', '[msgs] is not a valid conversion word'],
    ['%caller{1}', '[caller] is not a valid conversion word'],
    ['%msg %', 'a % in the pattern is followed by no conversion word'],
    ['%-20(%msg', 'a ( in the pattern is not closed'],
    ['%date{HH:mm', 'a { in the pattern is not closed'],
    ['%date{QQ}', 'the letter Q of a date pattern is not supported'],
    [`%date{"yyyy'"}`, 'has an open quote'],
    [
      '%date{HH:mm:ss,SSS}',
      'the time zone SSS is not known; a comma in a date pattern needs quotes',
    ],
    ['%date{HH,UTC,x}', '%date does not take the option x'],
    ['%logger{many}', '%logger{many}: the option is no number'],
    ['%msg{1}', '%message does not take the option 1'],
    ['\\q', 'a \\ in the pattern escapes nothing'],
  ])('refuses %s', (pattern, fault) => {
    expect(() => parsePattern(pattern)).toThrow(fault)
  })

  it('knows every word of its table by every name', () => {
    for (const name of conversionWords.flatMap(({ names }) => names)) {
      expect(format(`%${name}`)).toBeTypeOf('string')
    }
  })

  it('keeps one event on one line, whatever is in it', () => {
    const evil = {
      ...record,
      message: 'x\r\n2026 INFO y',
      logger: 'a\nb',
      fields: { 'k\n': '\u001b[31m\u2028' },
    }
    expect(format('%logger %msg %X{k}', evil)).not.toMatch(/[\p{Cc}\u2028]/u)
  })
})
