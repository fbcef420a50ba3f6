import { DomainError } from '@keyhsm/core'
import { expect, it } from 'vitest'
import { createGroups, parseStaticGroups } from '../../src/access/groups.js'
import { TestClock } from '../support/test-clock.js'

const parse = (text: string) => [...parseStaticGroups(text, 'mapping')]

it('reads users with their groups, as Hadoop’s own default has them', () => {
  expect(parse('dr.who=;')).toEqual([['dr.who', []]])
  expect(parse(' alice = staff , admins ;bob=staff;')).toEqual([
    ['alice', ['staff', 'admins']],
    ['bob', ['staff']],
  ])
  expect(parse('')).toEqual([])
})

it.each(['=staff', 'alice=staff=admins'])('refuses %s, naming where it stands', (text) => {
  expect(() => parse(text)).toThrow(DomainError)
  expect(() => parse(text)).toThrow(/mapping/)
})

it('asks the machine for those that are not said, and remembers the answer for five minutes', async () => {
  const clock = new TestClock()
  const asked: string[] = []
  const groups = createGroups(parseStaticGroups('alice=staff', 'mapping'), clock, async (user) => {
    asked.push(user)
    return ['users']
  })
  expect(await groups.of('alice')).toEqual(['staff'])
  expect(await groups.of('bob')).toEqual(['users'])
  clock.advance(299_000)
  await groups.of('bob')
  expect(asked).toEqual(['bob'])
  clock.advance(2_000)
  await groups.of('bob')
  expect(asked).toEqual(['bob', 'bob'])
})
