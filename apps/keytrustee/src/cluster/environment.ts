/** PostgreSQL obeys many PG… variables; none of the caller's may reach it. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const { PATH = '/usr/bin:/bin' } = process.env
  return { PATH, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TZ: 'UTC' }
}
