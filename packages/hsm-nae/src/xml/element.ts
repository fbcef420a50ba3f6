/** An element of an NAE-XML message: a name with either text or children. Attributes and mixed content do not occur. */

export interface XmlElement {
  readonly name: string
  /** Text of an element without children, white space at its ends removed; empty for a flag and for a branch. */
  readonly text: string
  readonly children: readonly XmlElement[]
}

/** An element that holds text; without text a flag such as `<Deletable/>`. */
export function leaf(name: string, text = ''): XmlElement {
  return { name, text, children: [] }
}

/** An element that holds others; those that are undefined are left out. */
export function branch(name: string, children: readonly (XmlElement | undefined)[]): XmlElement {
  return { name, text: '', children: children.filter((child) => child !== undefined) }
}

/** The first child of this name. */
export function findChild(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((child) => child.name === name)
}

/** Text of the first child of this name; undefined when there is none. */
export function findText(element: XmlElement, name: string): string | undefined {
  return findChild(element, name)?.text
}

/** Every element of this name below `element`, in the order of the document. */
export function descendants(element: XmlElement, name: string): XmlElement[] {
  return element.children.flatMap((child) => [
    ...(child.name === name ? [child] : []),
    ...descendants(child, name),
  ])
}
