export * from './hsm.js'
export * from './wrap-algorithms.js'
