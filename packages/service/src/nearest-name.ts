/** Finds what somebody probably meant. */

function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const line = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const change = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      line.push(Math.min(change, (above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1))
    }
    above = line
  }
  return above[b.length] ?? 0
}

/** The name nearest to `text`, or undefined when none is near: at most a third of the characters may differ. */
export function nearestName(text: string, names: readonly string[]): string | undefined {
  if (text.length > 200) return undefined
  let best: { name: string; distance: number } | undefined
  for (const name of names) {
    const distance = editDistance(text.toLowerCase(), name.toLowerCase())
    if (distance <= name.length / 3 && (best === undefined || distance < best.distance)) {
      best = { name, distance }
    }
  }
  return best?.name
}
