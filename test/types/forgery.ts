/** What must not compile: a permit or a pool that no decision made. `tsc` fails when one of these lines becomes legal. */
import type { Dispatch } from '../../src/dispatch/dispatch.ts'
import { Permit } from '../../src/policy/decide.ts'
import { Pool } from '../../src/pool/pool.ts'

// @ts-expect-error the constructor of a permit is private
export const constructedPermit = new Permit(['us-global'], 0, Infinity)

// @ts-expect-error an object that looks like a permit is none
export const literalPermit: Permit = { deployments: ['us-global'], covers: () => true }

// @ts-expect-error the constructor of a pool is private
export const constructedPool = new Pool([], literalPermit, 1)

// @ts-expect-error dispatch takes a pool, not a list of deployments
export const listForPool: Pick<Dispatch, 'pool'> = { pool: [] }
