/** The requests that the test server answers, each by its name in the dialect. */
import { createPublicKey, randomBytes } from 'node:crypto'
import type { NameKey } from '../dialect/dialect.js'
import { branch, descendants, findChild, findText, leaf, type XmlElement } from '../xml/element.js'
import type { KeyVersion, StoredKey, VersionState } from './key-store.js'
import { makeKey } from './make-key.js'
import { Refusal } from './refusal.js'
import {
  type Answer,
  answerLeaf,
  type Handler,
  maybeText,
  needKey,
  needText,
  type RequestContext,
} from './session.js'
import { type AlgorithmName, algorithmUses, useKey } from './use-key.js'

export const handlers: Readonly<Partial<Record<NameKey, Handler>>> = {
  versionRequest: agreeOnVersion,
  authRequest: logIn,
  deviceInfoRequest: describeDevice,
  keyGenRequest: generateKey,
  keyDelRequest: deleteKey,
  keyInfoRequest: describeKey,
  keyNamesRequest: listNames,
  keyVersionGenRequest: addVersion,
  keyVersionModifyRequest: changeVersion,
  publicKeyExportRequest: exportPublicKey,
  cryptoRequest: useKeyOnce,
  randGenRequest: makeRandom,
}

function agreeOnVersion(context: RequestContext): Answer {
  const { dialect, behaviour } = context.state
  const list = findChild(context.element, dialect.names.versionList)
  const offered = list ? descendants(list, dialect.names.version).map(({ text }) => text) : []
  const chosen = offered.find((version) => behaviour.versions.includes(version))
  if (chosen === undefined) throw new Refusal('version')
  return { children: [answerLeaf(context, 'version', chosen)] }
}

function logIn(context: RequestContext): Answer {
  const { state, session } = context
  state.loginAttempts += 1
  if (state.settings.passwordAuthentication === 'not-used') throw new Refusal('loginUnused')
  const name = needText(context, 'authUser')
  const password = needText(context, 'authPassword')
  const user = state.users.find((each) => each.name === name && each.password === password)
  if (!user) throw new Refusal('login')
  session.user = user
  session.generation = state.generation
  return { children: [] }
}

function describeDevice(): Answer {
  return {
    children: [
      leaf('Model', 'k460'),
      leaf('BoxID', 'TEST-SERVER'),
      leaf('SoftwareVersion', '8.12.0'),
    ],
  }
}

async function generateKey(context: RequestContext): Promise<Answer> {
  const { state, session } = context
  const { names } = state.dialect
  if (!state.settings.keyOperations) throw new Refusal('keyOperations')
  if (session.user && !session.user.mayCreateKeys) throw new Refusal('permission')
  const name = maybeText(context, 'keyName') ?? `key-${randomBytes(8).toString('hex')}`
  if (!/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(name)) throw new Refusal('unexpected')
  const algorithm = needText(context, 'algorithm')
  if (state.behaviour.lacksKeys.includes(algorithm)) throw new Refusal('algorithm')
  const told = maybeText(context, 'keySize')
  const bits = told === undefined ? undefined : Number(told)
  const curve = maybeText(context, 'curveId')
  refuseTaken(context, name)
  const shape = { algorithm, bits, curve }
  const key = await makeKey(state.dialect, shape, state.behaviour.rsaPairs)
  refuseTaken(context, name)
  const attributes = descendants(context.element, names.customAttribute).map(
    (each) =>
      [
        findText(each, names.attributeName) ?? '',
        findText(each, names.attributeValue) ?? '',
      ] as const,
  )
  state.store.set(session.node, name, {
    name,
    algorithm,
    bits,
    curve,
    owner: session.user?.name ?? '',
    deletable: findChild(context.element, names.deletable) !== undefined,
    exportable: findChild(context.element, names.exportable) !== undefined,
    versioned: findChild(context.element, names.versionedKey) !== undefined,
    attributes,
    versions: [{ number: '1', state: 'active', key }],
  })
  return { children: [answerLeaf(context, 'keyName', name)] }
}

/** Names are unique, also while a key of that name is being made. */
function refuseTaken({ state, session }: RequestContext, name: string): void {
  const view = state.store.view(session.node)
  if (view.has(name)) throw new Refusal('exists')
  if (view.size >= state.behaviour.capacity) throw new Refusal('capacity')
}

function deleteKey(context: RequestContext): Answer {
  const { state, session } = context
  if (!state.settings.keyOperations) throw new Refusal('keyOperations')
  const key = needKey(context)
  if (!key.deletable) throw new Refusal('notDeletable')
  state.store.set(session.node, key.name, undefined)
  return { children: [] }
}

function describeKey(context: RequestContext): Answer {
  const { names, values } = context.state.dialect
  const key = needKey(context)
  const attributes = key.attributes.map(([name, value]) =>
    branch(names.customAttribute, [
      leaf(names.attributeName, name),
      leaf(names.attributeValue, value),
    ]),
  )
  const versions = key.versions.map(({ number, state }) =>
    branch(names.keyVersion, [
      leaf(names.versionNumber, number),
      leaf(names.keyVersionState, values[state]),
    ]),
  )
  const maybe = (name: NameKey, text: string | number | undefined) =>
    text === undefined ? undefined : answerLeaf(context, name, String(text))
  return {
    children: [
      answerLeaf(context, 'keyName', key.name),
      leaf('Owner', key.owner),
      answerLeaf(context, 'algorithm', key.algorithm),
      maybe('keySize', key.bits),
      maybe('curveId', key.curve),
      answerLeaf(context, 'exportable', String(key.exportable)),
      answerLeaf(context, 'deletable', String(key.deletable)),
      branch(names.customAttributeList, attributes),
      key.versioned ? branch(names.keyVersions, versions) : undefined,
    ],
  }
}

function listNames(context: RequestContext): Answer {
  const { state, session } = context
  const all = [...state.store.view(session.node).values()]
    .filter(({ owner }) => owner === '' || owner === session.user?.name)
    .map(({ name }) => name)
    .sort()
  const offset = Number(maybeText(context, 'keyOffset') ?? 0)
  const max = Number(maybeText(context, 'maxKeys') ?? all.length)
  const page = state.behaviour.pages ? all.slice(offset, offset + max) : all
  const listed = page.map((name) => answerLeaf(context, 'keyName', name))
  return { children: [branch(state.dialect.names.keyNames, listed)] }
}

async function addVersion(context: RequestContext): Promise<Answer> {
  const { state, session } = context
  const key = needKey(context)
  if (!key.versioned || key.versions.length >= 4000) throw new Refusal('unexpected')
  const made = await makeKey(state.dialect, key, state.behaviour.rsaPairs)
  const number = String(key.versions.length + 1)
  const versions = [...key.versions, { number, state: 'active', key: made } as const]
  state.store.set(session.node, key.name, { ...key, versions })
  return { children: [answerLeaf(context, 'versionNumber', number)] }
}

const allowedChanges: Readonly<Record<VersionState, readonly VersionState[]>> = {
  active: ['restricted', 'retired'],
  restricted: ['active', 'retired'],
  retired: ['active', 'restricted', 'wiped'],
  wiped: [],
}

function changeVersion(context: RequestContext): Answer {
  const { state, session } = context
  if (!state.settings.keyOperations) throw new Refusal('keyOperations')
  const key = needKey(context)
  const number = needText(context, 'versionNumber')
  const told = needText(context, 'keyVersionState')
  const states = Object.keys(allowedChanges) as VersionState[]
  const next = states.find((each) => state.dialect.values[each] === told)
  const version = key.versions.find((each) => each.number === number)
  if (!version || !next || !allowedChanges[version.state].includes(next)) {
    throw new Refusal('badState')
  }
  const changed: KeyVersion = {
    number,
    state: next,
    key: next === 'wiped' ? undefined : version.key,
  }
  const versions = key.versions.map((each) => (each === version ? changed : each))
  state.store.set(session.node, key.name, { ...key, versions })
  return { children: [] }
}

function exportPublicKey(context: RequestContext): Answer {
  const key = needKey(context)
  const secret = key.versions.at(-1)?.key
  if (secret?.type !== 'private') throw new Refusal('notExportable')
  const pem = createPublicKey(secret).export({ type: 'spki', format: 'pem' }) as string
  return {
    children: [answerLeaf(context, 'keyName', key.name), answerLeaf(context, 'keyData', pem)],
  }
}

function useKeyOnce(context: RequestContext): Answer {
  const { dialect, settings, behaviour } = context.state
  if (!settings.cryptoOperations) throw new Refusal('cryptoOperations')
  const key = needKey(context)
  const told = needText(context, 'algorithm')
  const names = Object.keys(algorithmUses) as AlgorithmName[]
  const name = names.find((each) => dialect.values[each] === told)
  if (!name || behaviour.lacksAlgorithms.includes(told)) throw new Refusal('algorithm')
  if (!key.algorithm.startsWith(algorithmUses[name].type)) throw new Refusal('algorithm')
  const actions = ['encrypt', 'decrypt', 'mac', 'sign'] as const
  const action = actions.find((each) => dialect.values[each] === needText(context, 'action'))
  if (!action) throw new Refusal('unexpected')
  const tag = maybeText(context, 'tagLength')
  const aad = fromHex(maybeText(context, 'aad'))
  const data = useKey(name, {
    action,
    key: needVersion(key, action),
    iv: fromHex(maybeText(context, 'iv')),
    aad: behaviour.ignoresAad ? undefined : aad,
    tagBits: tag === undefined ? undefined : Number(tag),
    data: context.data ?? Buffer.alloc(0),
    signatures: behaviour.signatures,
  })
  return { children: [], data }
}

function needVersion(key: StoredKey, action: string) {
  const version = key.versions.at(-1)
  const opens = action === 'decrypt'
  const usable = version?.state === 'active' || (version?.state === 'restricted' && opens)
  if (!usable || !version.key) throw new Refusal('state')
  return version.key
}

function makeRandom(context: RequestContext): Answer {
  if (!context.state.settings.cryptoOperations) throw new Refusal('cryptoOperations')
  const bytes = Number(needText(context, 'size'))
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > 131_072) throw new Refusal('size')
  return { children: [], data: randomBytes(bytes) }
}

function fromHex(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new Refusal('unexpected')
  return Buffer.from(text, 'hex')
}

export type { XmlElement }
