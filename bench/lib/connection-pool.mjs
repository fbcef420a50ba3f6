/** One open connection for each worker of the largest cell: a handshake costs some 70 requests. */
export async function connectionPool(concurrencies, connect) {
  const pool = []
  for (let index = 0; index < Math.max(...concurrencies); index += 1) pool.push(await connect())
  return pool
}
