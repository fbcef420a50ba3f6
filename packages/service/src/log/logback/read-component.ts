/** Reads an element as a component of one of the known classes, by the tables of `components.ts`. */
import type { XmlElement } from '../xml.js'
import type { ComponentSpec, PropertySpec, PropertyValue, ReadContext } from './components.js'
import type { Problems } from './problems.js'
import type { Variables } from './variables.js'

export interface Component {
  readonly spec: ComponentSpec
  readonly element: XmlElement
  readonly values: Readonly<Record<string, PropertyValue | undefined>>
  readonly parts: Readonly<Record<string, Component | undefined>>
}

export interface Reader extends ReadContext {
  readonly problems: Problems
  readonly variables: Variables
}

/** Undefined when its class is not known; then the problem is reported, and what is inside is not looked at. */
export function readComponent(
  reader: Reader,
  element: XmlElement,
  from: { readonly classes: readonly ComponentSpec[]; readonly byDefault?: ComponentSpec },
  path: readonly string[],
): Component | undefined {
  const spec = findClass(reader, element, from)
  return spec && readProperties(reader, element, { spec, path })
}

function findClass(
  { problems, variables }: Reader,
  element: XmlElement,
  {
    classes,
    byDefault,
  }: { readonly classes: readonly ComponentSpec[]; readonly byDefault?: ComponentSpec },
): ComponentSpec | undefined {
  const given = element.attributes['class']
  if (given === undefined) {
    if (byDefault) return byDefault
    return problems.error(element, `[${element.name}] has no class attribute`)
  }
  const name = variables.replace(given, element)
  const found = classes.find(({ className }) => className === name)
  if (found) return found
  const advice = `supported: ${classes.map(({ className }) => className).join(', ')}`
  return problems.error(
    element,
    `cannot make component [${element.name}] of type [${name}]; ${advice}`,
  )
}

function readProperties(
  reader: Reader,
  element: XmlElement,
  { spec, path }: { readonly spec: ComponentSpec; readonly path: readonly string[] },
): Component {
  const values: Record<string, PropertyValue | undefined> = {}
  const parts: Record<string, Component | undefined> = {}
  const here = [...path, element.name]
  const seen = new Set<string>()
  for (const child of element.children) {
    const property = Object.hasOwn(spec.properties, child.name)
      ? spec.properties[child.name]
      : undefined
    if (!property) reader.problems.notApplicable(child, here)
    else if (seen.has(child.name)) reader.problems.error(child, `[${child.name}] is given twice`)
    else if ('parse' in property)
      values[child.name] = readValue(reader, child, { property, path: here })
    else parts[child.name] = readComponent(reader, child, property, here)
    seen.add(child.name)
  }
  if (element.name !== 'appender') checkAttributes(reader.problems, element, ['class'])
  checkText(reader.problems, element)
  requireProperties(reader, element, { spec, seen })
  return { spec, element, values, parts }
}

function requireProperties(
  { problems }: Reader,
  element: XmlElement,
  { spec, seen }: { readonly spec: ComponentSpec; readonly seen: ReadonlySet<string> },
): void {
  for (const name of spec.required) {
    if (!seen.has(name)) problems.error(element, `[${element.name}] has no [${name}]`)
  }
}

function readValue(
  reader: Reader,
  element: XmlElement,
  {
    property,
    path,
  }: {
    readonly property: Extract<PropertySpec, { parse: unknown }>
    readonly path: readonly string[]
  },
): PropertyValue | undefined {
  const { problems, variables } = reader
  checkAttributes(problems, element, [])
  for (const child of element.children) problems.notApplicable(child, [...path, element.name])
  const parsed = property.parse(variables.replace(element.text, element), reader)
  if ('value' in parsed) return parsed.value
  return problems.error(element, `[${element.name}] ${parsed.fault}`)
}

/** Reports attributes that an element of this kind does not have. */
export function checkAttributes(
  problems: Problems,
  element: XmlElement,
  known: readonly string[],
): void {
  for (const name of Object.keys(element.attributes)) {
    if (!known.includes(name))
      problems.error(element, `[${element.name}] has no attribute [${name}]`)
  }
}

/** Reports text where only elements belong. */
export function checkText(problems: Problems, { name, text, ...place }: XmlElement): void {
  if (text !== '') problems.error(place, `[${name}] holds text: ${text.slice(0, 80)}`)
}
