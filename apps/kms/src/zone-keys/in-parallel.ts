/** Works through a list with at most `atOnce` under way; the first error ends it when those under way have ended. */
export async function inParallel<Item>(
  atOnce: number,
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = [...items]
  const faults: unknown[] = []
  const workThrough = async () => {
    for (let item = rest.shift(); item !== undefined && faults.length === 0; item = rest.shift())
      await work(item).catch((error: unknown) => void faults.push(error))
  }
  await Promise.all(Array.from({ length: atOnce }, workThrough))
  if (faults.length > 0) throw faults[0]
}
