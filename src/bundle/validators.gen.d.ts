/** The functions that scripts/build-validators.mjs writes: true, or false and `errors`. */
import type { Schema } from './schema.ts'

export type ShapeError = {
  readonly keyword: string
  readonly instancePath: string
  readonly schemaPath: string
  readonly params: { readonly [name: string]: unknown }
  /** The part of the schema that was not met, and what stands around it. */
  readonly schema: unknown
  readonly parentSchema: Schema
}
export type Validate = { (value: unknown): boolean; readonly errors?: readonly ShapeError[] | null }

export declare const app: Validate
export declare const catalog: Validate
export declare const group: Validate
export declare const labels: Validate
export declare const exceptions: Validate
export declare const policy: Validate
export declare const test: Validate
