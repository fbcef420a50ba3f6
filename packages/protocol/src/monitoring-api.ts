/**
 * What monitors ask a service on its monitoring address, in the clear and without an identity: numbers and states, no names of
 * clients, deposits or keys.
 */
import { defineRoute } from './route.js'
import { NoFields } from './schemas.js'

const plainPage = {
  method: 'GET',
  access: 'anyone',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  reply: NoFields,
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 10_000,
} as const

/** Prometheus text. */
export const metricsRoute = defineRoute({
  ...plainPage,
  path: '/metrics',
  summary: 'numbers about the service for Prometheus',
})

/** JSON: the three below in one. */
export const healthRoute = defineRoute({
  ...plainPage,
  path: '/health',
  summary: 'live, ready and deep in one: status 200, or 503 when one of them is not',
})

/** JSON. */
export const liveRoute = defineRoute({
  ...plainPage,
  path: '/health/live',
  summary: 'the process answers: always status 200',
})

/** JSON. */
export const readyRoute = defineRoute({
  ...plainPage,
  path: '/health/ready',
  summary: 'requests would be accepted: status 200 or 503; asks no other part',
})

/** JSON. */
export const deepRoute = defineRoute({
  ...plainPage,
  path: '/health/deep',
  summary:
    'every part behind the service answers, asked at most every few seconds: status 200 or 503',
})

/** Served without an identity, on an address of their own. */
export const monitoringRoutes = [
  metricsRoute,
  healthRoute,
  liveRoute,
  readyRoute,
  deepRoute,
] as const
