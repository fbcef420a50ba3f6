/** One connection as the server sees it. */
import type { NaeDialect, NameKey } from '../dialect/dialect.js'
import { findText, leaf, type XmlElement } from '../xml/element.js'
import type { KeyStore, StoredKey } from './key-store.js'
import { Refusal } from './refusal.js'
import type { ApplianceSettings, Behaviour, TestUser } from './settings.js'

/** What all connections of a server share. */
export interface ServerState {
  readonly dialect: NaeDialect
  readonly store: KeyStore
  users: readonly TestUser[]
  readonly settings: ApplianceSettings
  readonly behaviour: Behaviour
  /** Logins ever tried. */
  loginAttempts: number
  /** Sessions of an earlier generation have lost their login. */
  generation: number
}

/** State of one connection: nothing may come before version and login once they are used. */
export interface Session {
  readonly node: number
  asked: 'nothing' | 'version' | 'login' | 'more'
  user: TestUser | undefined
  generation: number
}

export interface RequestContext {
  readonly state: ServerState
  readonly session: Session
  readonly element: XmlElement
  readonly data: Buffer | undefined
}

/** Children of a successful answer, and data behind it. */
export interface Answer {
  readonly children: readonly (XmlElement | undefined)[]
  readonly data?: Buffer
}

export type Handler = (context: RequestContext) => Promise<Answer> | Answer

/** Text of a child that must be there. @throws Refusal */
export function needText(context: RequestContext, name: NameKey): string {
  const text = findText(context.element, context.state.dialect.names[name])
  if (text === undefined) throw new Refusal('unexpected')
  return text
}

/** Text of a child that may be missing. */
export function maybeText(context: RequestContext, name: NameKey): string | undefined {
  return findText(context.element, context.state.dialect.names[name])
}

/** A key that this session may use. @throws Refusal */
export function needKey(context: RequestContext): StoredKey {
  const { state, session } = context
  const key = state.store.view(session.node).get(needText(context, 'keyName'))
  const allowed = key && (key.owner === '' || key.owner === session.user?.name)
  if (allowed) return key
  const hides = state.behaviour.mergesMissing || !key
  throw new Refusal(key && !hides ? 'permission' : hides && key ? 'unknownKey' : missing(context))
}

function missing({ state }: RequestContext): 'permission' | 'unknownKey' {
  return state.behaviour.mergesMissing ? 'permission' : 'unknownKey'
}

/** A leaf named by the dialect. */
export function answerLeaf({ state }: RequestContext, name: NameKey, text = ''): XmlElement {
  return leaf(state.dialect.names[name], text)
}
