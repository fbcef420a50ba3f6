import { describe, expect, it } from 'vitest'
import { formatLogProblem } from '../../../src/log/logback/problems.js'
import { readLogback } from '../../../src/log/logback/read-logback.js'

/** The entries of the manual's own example, as an operator pastes them. */
const manualEntries = `<appender name="FILE" class="ch.qos.logback.core.rolling.RollingFileAppender" >
        <file>/var/log/keyhsm/keyhsm.log</file>
        <encoder>
            <pattern>%date %level %logger: %msg%n</pattern>
        </encoder>
        <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
            <fileNamePattern>/var/log/keyhsm/keyhsm.log.%i</fileNamePattern>
            <minIndex>1</minIndex>
            <maxIndex>10</maxIndex>
        </rollingPolicy>
        <triggeringPolicy class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy">
            <maxFileSize>10MB</maxFileSize>
        </triggeringPolicy>
    </appender>
    <root level="info">
        <appender-ref ref="FILE" />
    </root>
`
const manual = `<configuration>\n    ${manualEntries}</configuration>\n`
const read = (text: string) => readLogback(text, { directory: '/logs' })
const problemsOf = (text: string) =>
  read(text).problems.map(
    ({ level, place, message }) => `${level} ${place.line}:${place.column} ${message}`,
  )

describe('the manual’s example', () => {
  it.each([
    ['inside configuration', manual, 0],
    ['as it stands in the manual', manualEntries, 1],
  ])('gives 10 MB × 10 files with its pattern, %s', (_how, text, warnings) => {
    const { configuration, problems } = read(text)
    expect(problems.map(({ level }) => level)).toEqual(Array<string>(warnings).fill('WARN'))
    expect(configuration).toMatchObject({
      appenders: [
        {
          kind: 'file',
          name: 'FILE',
          file: '/var/log/keyhsm/keyhsm.log',
          pattern: { text: '%date %level %logger: %msg%n' },
          window: {
            fileNamePattern: '/var/log/keyhsm/keyhsm.log.%i',
            minIndex: 1,
            maxIndex: 10,
            maxBytes: 10 * 1024 * 1024,
          },
        },
      ],
      root: { level: 'info', appenders: ['FILE'] },
      loggers: [],
    })
  })

  it('has its fault shown at the manual’s own place, in the manual’s own form', () => {
    const text = `<configuration>
    <!-- line 2 -->
    <!-- line 3 -->
    <!-- line 4 -->
    <!-- line 5 -->
    <appender name="FILE" class="ch.qos.logback.core.FileAppender">
        <file>/var/log/keyhsm/keyhsm.log</file>
        <encoder>
            <pattern>%date %level %logger: %msg%n</pattern>
        </encoder>
        <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
            <fileNamePattern>/var/log/keyhsm/keyhsm.log.%i</fileNamePattern>
        </rollingPolicy>
    </appender>
    <root level="info"><appender-ref ref="FILE" /></root>
</configuration>`
    const at = new Date(2026, 0, 2, 6, 55, 20, 208)
    expect(
      read(text).problems.map((problem) => formatLogProblem(problem, 'logback.xml', at)),
    ).toEqual([
      '06:55:20,208 |-ERROR in logback.xml@11:85 - no applicable action for [rollingPolicy], current ElementPath is [[configuration][appender][rollingPolicy]]',
      '06:55:20,208 |-ERROR in logback.xml@12:30 - no applicable action for [fileNamePattern], current ElementPath is [[configuration][appender][rollingPolicy][fileNamePattern]]',
    ])
  })

  it.each([
    ['a size in KB', '10MB', '512 KB', { window: { maxBytes: 512 * 1024 } }],
    ['a size in bytes', '10MB', '100000000', { window: { maxBytes: 100_000_000 } }],
    ['a size in GB', '10MB', '1gb', { window: { maxBytes: 1024 ** 3 } }],
    ['a count', '<maxIndex>10<', '<maxIndex>3<', { window: { maxIndex: 3 } }],
    ['no indexes', /<m..Index>\d+<\/m..Index>/g, '', { window: { minIndex: 1, maxIndex: 7 } }],
    ['a file', '/var/log/keyhsm/keyhsm.log<', '/x/y.log<', { file: '/x/y.log' }],
    ['a relative file', '/var/log/keyhsm/keyhsm.log<', 'y.log<', { file: '/logs/y.log' }],
    [
      'a pattern',
      '%date %level %logger: %msg%n',
      '%d{HH:mm} %msg%n',
      { pattern: { text: '%d{HH:mm} %msg%n' } },
    ],
    [
      'an encoder by its class',
      '<encoder>',
      '<encoder class="ch.qos.logback.classic.encoder.PatternLayoutEncoder">',
      {},
    ],
    [
      'a threshold',
      '<encoder>',
      '<filter class="ch.qos.logback.classic.filter.ThresholdFilter"><level>WARN</level></filter><encoder>',
      { threshold: 'warn' },
    ],
    [
      'what logback assumes anyway',
      '<encoder>',
      '<append>true</append><prudent>false</prudent><encoder>',
      {},
    ],
  ] as const)('takes %s', (_what, from, to, expected) => {
    const { configuration, problems } = read(manual.replaceAll(from, to))
    expect(problems).toEqual([])
    expect(configuration?.appenders[0]).toMatchObject(expected)
  })
})

describe('readLogback', () => {
  it('reads variables, a console, loggers and their additivity', () => {
    const { configuration, problems } = read(`<configuration debug="false" scan="false">
      <property name="dir" value="/data" />
      <variable name="log" value="\${dir}/a.log" />
      <appender name="A" class="ch.qos.logback.core.FileAppender">
        <file>\${log}</file><encoder><pattern>%msg \${tail:-end}%n</pattern></encoder>
      </appender>
      <appender name="C" class="ch.qos.logback.core.ConsoleAppender">
        <target>System.err</target><encoder><pattern>%msg%n</pattern></encoder>
      </appender>
      <logger name="keyhsm.audit" level="off" />
      <logger name="keyhsm.hsm" additivity="false"><appender-ref ref="C" /></logger>
      <root level="TRACE"><appender-ref ref="A" /><appender-ref ref="C" /></root>
    </configuration>`)
    expect(problems).toEqual([])
    expect(configuration).toMatchObject({
      appenders: [
        { kind: 'file', file: '/data/a.log', pattern: { text: '%msg end%n' } },
        { kind: 'console', stream: 'stderr' },
      ],
      loggers: [
        { name: 'keyhsm.audit', level: 'off', additive: true, appenders: [] },
        { name: 'keyhsm.hsm', additive: false, appenders: ['C'] },
      ],
      root: { level: 'debug', appenders: ['A', 'C'] },
    })
    expect(configuration?.appenders[0]).not.toHaveProperty('window')
  })

  it.each([
    [
      'a policy that does not exist',
      'FixedWindowRollingPolicy',
      'FixedWindowRolingPolicy',
      '7:84 cannot make component [rollingPolicy] of type [ch.qos.logback.core.rolling.FixedWindowRolingPolicy]; supported: ch.qos.logback.core.rolling.FixedWindowRollingPolicy',
    ],
    [
      'a policy of logback that is not here',
      'FixedWindowRollingPolicy',
      'TimeBasedRollingPolicy',
      '7:83 cannot make component [rollingPolicy] of type [ch.qos.logback.core.rolling.TimeBasedRollingPolicy]; supported: ch.qos.logback.core.rolling.FixedWindowRollingPolicy',
    ],
    [
      'an appender of logback that is not here',
      'core.rolling.RollingFileAppender',
      'classic.net.SMTPAppender',
      '2:76 cannot make component [appender] of type [ch.qos.logback.classic.net.SMTPAppender]; supported: ',
    ],
    [
      'an unknown element',
      '<encoder>',
      '<colour>red</colour><encoder>',
      '4:17 no applicable action for [colour], current ElementPath is [[configuration][appender][colour]]',
    ],
    [
      'an unknown element at the top',
      '<root ',
      '<include file="x"/><root ',
      '16:24 no applicable action for [include], current ElementPath is [[configuration][include]]',
    ],
    [
      'an element in a value',
      '10MB',
      '<b/>10MB',
      '13:30 no applicable action for [b], current ElementPath is [[configuration][appender][triggeringPolicy][maxFileSize][b]]',
    ],
    ['an unknown attribute', '<file>', '<file mode="x">', '3:24 [file] has no attribute [mode]'],
    ['no name', 'name="FILE" ', '', '2:72 [appender] has no name'],
    ['text between elements', '<encoder>', 'stray <encoder>', 'holds text: stray'],
    ['no size', '10MB', 'ten', '13:26 [maxFileSize] [ten] is no file size'],
    ['a size of nothing', '10MB', '10', '13:26 [maxFileSize] [10] is no file size'],
    [
      'no number',
      '<maxIndex>10<',
      '<maxIndex>-1<',
      '10:23 [maxIndex] [-1] is no whole number from 0 to 1000',
    ],
    [
      'a window upside down',
      '<minIndex>1<',
      '<minIndex>11<',
      '7:85 [minIndex] 11 is larger than [maxIndex] 10',
    ],
    ['a name pattern without index', 'keyhsm.log.%i', 'keyhsm.log', 'must hold %i once'],
    [
      'compressed files',
      'keyhsm.log.%i',
      'keyhsm.log.%i.gz',
      'rolled files are not compressed here',
    ],
    [
      'a wrong word in the pattern',
      '%logger',
      '%loger',
      '5:22 [pattern] in the pattern [%date %level %loger: %msg%n]: [loger] is not a valid conversion word',
    ],
    [
      'a level that is none',
      'level="info"',
      'level="loud"',
      '16:24 [root] level="loud" is no level',
    ],
    [
      'a reference to nothing',
      'ref="FILE"',
      'ref="FIEL"',
      '17:36 no appender named [FIEL] stands above',
    ],
    ['no root', /<root[^]*<\/root>/, '', '1:16 [configuration] has no [root]'],
    [
      'two roots',
      '<root level="info">',
      '<root level="info"/><root level="info">',
      '16:44 [root] is given twice',
    ],
    [
      'a value given twice',
      '<minIndex>1</minIndex>',
      '<maxIndex>2</maxIndex>',
      '10:23 [maxIndex] is given twice',
    ],
    ['a variable that is not set', '10MB', '${size}', '13:26 the variable [size] is not set above'],
    [
      'scanning',
      '<configuration>',
      '<configuration scan="true">',
      '1:28 [configuration] scan="true" is not supported',
    ],
    [
      'a log that is cut at start',
      '<encoder>',
      '<append>false</append><encoder>',
      '4:17 [append] [false] is not supported',
    ],
    [
      'a missing part',
      /<triggeringPolicy[^]*<\/triggeringPolicy>/,
      '',
      '2:84 [appender] has no [triggeringPolicy]',
    ],
    [
      'a component without class',
      ' class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy"',
      '',
      '12:27 [triggeringPolicy] has no class attribute',
    ],
    ['malformed XML', '</encoder>', '</encoder', '7:10 the XML is not well formed: '],
    [
      'the typesetting of the manual',
      'RollingFileAppender"',
      'RollingFileAppender</pre>\n"',
      '2:82 the XML is not well formed: disallowed character',
    ],
    [
      'a document type',
      '<configuration>',
      '<!DOCTYPE x [<!ENTITY a "b">]><configuration>',
      '1:10 the XML is not well formed: inappropriately located doctype declaration',
    ],
    [
      'another document',
      /configuration/g,
      'settings',
      '1:11 no applicable action for [settings], current ElementPath is [[settings]]',
    ],
    ['nothing', /[^]*/, '', '1:1 there is no [configuration]'],
  ] as const)('reports %s', (_what, from, to, expected) => {
    const broken = manual.replace(from, to)
    expect(broken).not.toBe(manual)
    expect(problemsOf(broken).join('\n')).toContain(expected)
    expect(read(broken).configuration).toBeUndefined()
  })

  it('tells all faults at once', () => {
    const broken = manual
      .replace('10MB', 'ten')
      .replace('%logger', '%loger')
      .replace('info', 'loud')
    expect(problemsOf(broken)).toHaveLength(3)
  })

  it('warns of what works but is hardly meant', () => {
    expect(problemsOf(manual.replace('%n<', '<'))).toEqual([
      'WARN 4:18 the pattern [%date %level %logger: %msg] has no %n: lines run together',
    ])
    expect(problemsOf(manual.replace(/<appender-ref.*/, ''))).toEqual([
      'WARN 16:24 [root] names no appender: nothing is logged',
    ])
  })
})
