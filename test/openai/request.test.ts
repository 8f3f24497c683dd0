import { describe, expect, test } from 'vitest'
import { readRequest } from '../../src/openai/request.ts'

const choices = (body: object): number | string => {
  const read = readRequest('completion', { model: 'm', ...body }, 0)
  return read.ok ? read.needs.choices : read.param
}

describe('how many answers a request asks for', () => {
  test.each([
    [{ prompt: 'one' }, 1], [{ prompt: ['one', 'two', 'three'] }, 3], [{ prompt: ['one', 'two'], n: 3 }, 6],
    // Numbers are one prompt in tokens; lists of numbers are as many prompts.
    [{ prompt: [1, 2, 3] }, 1], [{ prompt: [[1, 2], [3]] }, 2], [{ prompt: [] }, 1],
    [{ prompt: Array.from({ length: 129 }, () => 'x'), stream: true }, 'prompt'], [{ prompt: Array.from({ length: 129 }, () => 'x') }, 129],
  ])('%j', (body, count) => expect(choices(body)).toBe(count))
})
