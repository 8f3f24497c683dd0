/** Vectors as the embeddings answer writes them: numbers, or base64 of 32-bit floats, low byte first. */
export type VectorFormat = 'float' | 'base64'

export function encodeVector(vector: readonly number[], format: VectorFormat): readonly number[] | string {
  if (format === 'float') return vector
  const view = new DataView(new ArrayBuffer(vector.length * 4))
  vector.forEach((number, index) => view.setFloat32(index * 4, number, true))
  let binary = ''
  for (let index = 0; index < view.byteLength; index += 1) binary += String.fromCharCode(view.getUint8(index))
  return btoa(binary)
}

export const isVector = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every(number => typeof number === 'number' && Number.isFinite(number))
