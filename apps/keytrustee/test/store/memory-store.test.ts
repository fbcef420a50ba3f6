import { openMemoryStore } from '../../src/store/memory-store.js'
import { describeStore } from './store-contract.js'

describeStore('memory store', async () => openMemoryStore())
