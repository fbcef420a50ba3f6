/**
 * Reads serialised Java objects as plain records: no class is ever looked up or run. Only what a keystore holds is known: objects, strings,
 * byte arrays, null and references.
 * @see Java Object Serialization Specification §6.4 Grammar for the Stream Format
 */
import { broken } from './broken.js'
import type { ByteCursor } from './byte-cursor.js'

export interface JavaObject {
  readonly className: string
  /** Of all its classes; primitive ones are left out. */
  readonly fields: ReadonlyMap<string, JavaValue>
  /** What the writeObject method of its class wrote by itself. */
  readonly written: Buffer
}

export type JavaValue = JavaObject | Buffer | string | null

interface JavaClass {
  readonly name: string
  readonly hasWriteMethod: boolean
  readonly fields: readonly JavaField[]
  readonly parent: JavaClass | undefined
}

interface JavaField {
  readonly name: string
  /** Bytes of a primitive; undefined: an object. */
  readonly primitiveBytes: number | undefined
}

export const javaTags = {
  null: 0x70,
  reference: 0x71,
  classDescription: 0x72,
  object: 0x73,
  string: 0x74,
  array: 0x75,
  block: 0x77,
  endBlock: 0x78,
  longBlock: 0x7a,
} as const
/** Of a class description. */
export const javaFlags = { writeMethod: 0x01, serializable: 0x02 } as const
export const firstReference = 0x7e0000
const streamHead = 0xaced0005
const maxDepth = 16
const maxParents = 8
const primitiveBytes: Readonly<Record<string, number>> = {
  B: 1,
  C: 2,
  D: 8,
  F: 4,
  I: 4,
  J: 8,
  S: 2,
  Z: 1,
}

/**
 * One stream with one value, from its magic number on; the cursor stands behind it then.
 * @param ownWriters classes whose writeObject method does not write the fields, which the stream does not tell.
 * @throws ERR_INTEGRITY for everything that is not such a value.
 */
export function readJavaStream(cursor: ByteCursor, ownWriters: ReadonlySet<string>): JavaValue {
  if (cursor.int() >>> 0 !== streamHead) throw broken('no Java object stands where one must')
  return new Reader(cursor, ownWriters).value(0)
}

class Reader {
  readonly #cursor: ByteCursor
  readonly #ownWriters: ReadonlySet<string>
  /** Everything that later parts may refer to, in the order of appearance. */
  readonly #seen: unknown[] = []

  constructor(cursor: ByteCursor, ownWriters: ReadonlySet<string>) {
    this.#cursor = cursor
    this.#ownWriters = ownWriters
  }

  value(depth: number): JavaValue {
    if (depth > maxDepth) throw broken('its objects are nested too deep')
    const tag = this.#cursor.byte()
    if (tag === javaTags.null) return null
    if (tag === javaTags.string) return this.#remember(this.#cursor.utf())
    if (tag === javaTags.array) return this.#byteArray(depth)
    if (tag === javaTags.object) return this.#object(depth)
    if (tag === javaTags.reference) return this.#referredValue()
    throw broken('it holds an object of another kind')
  }

  #object(depth: number): JavaObject {
    const described = this.#classDescription(depth)
    if (!described) throw broken('an object has no class')
    const fields = new Map<string, JavaValue>()
    const blocks: Buffer[] = []
    const place = this.#seen.push(undefined) - 1
    for (const one of fromTheTop(described)) {
      if (!this.#ownWriters.has(one.name)) this.#fieldValues(one, fields, depth)
      if (one.hasWriteMethod) blocks.push(this.#blocks())
    }
    const object = { className: described.name, fields, written: Buffer.concat(blocks) }
    this.#seen[place] = object
    return object
  }

  #fieldValues(one: JavaClass, fields: Map<string, JavaValue>, depth: number): void {
    for (const field of one.fields)
      if (field.primitiveBytes === undefined) fields.set(field.name, this.value(depth + 1))
      else this.#cursor.take(field.primitiveBytes)
  }

  /** Blocks of bytes up to the end mark. */
  #blocks(): Buffer {
    const blocks: Buffer[] = []
    for (;;) {
      const tag = this.#cursor.byte()
      if (tag === javaTags.endBlock) return Buffer.concat(blocks)
      if (tag === javaTags.block) blocks.push(this.#cursor.take(this.#cursor.byte()))
      else if (tag === javaTags.longBlock) blocks.push(this.#cursor.take(this.#cursor.int()))
      else throw broken('an object wrote something unknown')
    }
  }

  #byteArray(depth: number): Buffer {
    const described = this.#classDescription(depth)
    if (described?.name !== '[B') throw broken('it holds an array that is not of bytes')
    const place = this.#seen.push(undefined) - 1
    const bytes = this.#cursor.take(this.#cursor.int())
    this.#seen[place] = bytes
    return bytes
  }

  #classDescription(depth: number): JavaClass | undefined {
    if (depth > maxDepth) throw broken('its classes are nested too deep')
    const tag = this.#cursor.byte()
    if (tag === javaTags.null) return undefined
    if (tag === javaTags.reference) return this.#referredClass()
    if (tag !== javaTags.classDescription) throw broken('no class stands where one must')
    const name = this.#cursor.utf()
    this.#cursor.long()
    const place = this.#seen.push(undefined) - 1
    const flags = this.#cursor.byte()
    const fields = this.#fieldDescriptions(depth)
    if (this.#cursor.byte() !== javaTags.endBlock) throw broken('a class is annotated')
    const parent = this.#classDescription(depth + 1)
    const described = {
      name,
      fields,
      parent,
      hasWriteMethod: (flags & javaFlags.writeMethod) !== 0,
    }
    this.#seen[place] = described
    return described
  }

  #fieldDescriptions(depth: number): readonly JavaField[] {
    const fields: JavaField[] = []
    for (let left = this.#cursor.short(); left > 0; left -= 1) {
      const type = String.fromCharCode(this.#cursor.byte())
      const name = this.#cursor.utf()
      const isObject = type === 'L' || type === '['
      if (isObject && typeof this.value(depth + 1) !== 'string') throw broken('a field has no type')
      if (!isObject && primitiveBytes[type] === undefined) throw broken('a field has no type')
      fields.push({ name, primitiveBytes: primitiveBytes[type] })
    }
    return fields
  }

  #referred(): unknown {
    return this.#seen[this.#cursor.int() - firstReference]
  }

  #referredValue(): JavaValue {
    const found = this.#referred()
    if (typeof found === 'string' || Buffer.isBuffer(found)) return found
    if (isJavaObject(found)) return found
    throw broken('a reference leads nowhere')
  }

  #referredClass(): JavaClass {
    const found = this.#referred()
    if (isJavaClass(found)) return found
    throw broken('a reference leads nowhere')
  }

  #remember<Value>(value: Value): Value {
    this.#seen.push(value)
    return value
  }
}

function fromTheTop(described: JavaClass): readonly JavaClass[] {
  const all: JavaClass[] = []
  for (let one: JavaClass | undefined = described; one; one = one.parent) all.unshift(one)
  if (all.length > maxParents) throw broken('a class has too many parents')
  return all
}

function isJavaObject(value: unknown): value is JavaObject {
  return typeof value === 'object' && value !== null && 'className' in value
}

function isJavaClass(value: unknown): value is JavaClass {
  return typeof value === 'object' && value !== null && 'hasWriteMethod' in value
}
