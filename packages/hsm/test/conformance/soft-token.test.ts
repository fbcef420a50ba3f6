import { describeHsm } from '../../src/conformance/describe-hsm.js'
import { softTokenUnderTest } from './soft-token-under-test.js'

describeHsm('soft-token', softTokenUnderTest)
