/**
 * How servers word it that a model is gone or closed to us, and what sounds like it and is not. A caller must not be able to
 * make one of the former out of a request: it would take the deployment away from everybody.
 */
import { describe, expect, test } from 'vitest'
import { saysHealth } from '../../src/dispatch/verdict.ts'
import { isWithdrawn, refusal } from '../../src/provider/refusal.ts'
import { testPorts } from './support.ts'

const { clock } = testPorts()

async function refused(status: number, body: unknown): ReturnType<typeof refusal> {
  const bytes = new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body))
  const failed = await refusal({ status, headers: {}, body: (async function* () { yield bytes })() }, { name: 'eu-one', clock, repeats: () => false })
  expect(JSON.stringify(failed)).not.toContain('canary')
  return failed
}

describe('withdrawn', () => {
  test.each([
    // https://github.com/Upsonic/Upsonic/issues/32
    ['OpenAI, a model that is gone', 404, { error: { message: 'The model `canary` does not exist or you do not have access to it.', type: 'invalid_request_error', param: null, code: 'model_not_found' } }],
    // https://github.com/home-assistant/core/issues/120072
    ['OpenAI, from where it does not answer', 403, { error: { code: 'unsupported_country_region_territory', message: 'Country, region, or territory not supported', param: null, type: 'request_forbidden' } }],
    // https://github.com/ChatGPTNextWeb/NextChat/issues/4175
    ['OpenAI, an account that was closed', 401, { error: { message: 'The account of canary has been deactivated.', type: 'invalid_request_error', param: null, code: 'account_deactivated' } }],
    // https://github.com/MicrosoftDocs/azure-docs/issues/114013
    ['Azure', 404, { error: { code: 'DeploymentNotFound', message: 'The API deployment for this resource does not exist.' } }],
    // https://github.com/vllm-project/vllm/pull/58025, and before it issue 3485 there
    ['vLLM', 404, { error: { message: 'The model `canary` does not exist.', type: 'NotFoundError', param: 'model', code: 404 } }],
    ['vLLM, as it was before', 404, { object: 'error', message: 'The model `canary` does not exist.', type: 'NotFoundError', param: null, code: 404 }],
    // https://github.com/ggml-org/llama.cpp/issues/17968; later tools/server/server-models.cpp
    ['llama.cpp with several models', 400, { error: { code: 400, message: 'model not found', type: 'invalid_request_error' } }],
    ['llama.cpp with several models, later', 400, { error: { code: 400, message: "model 'canary-8b' not found", type: 'invalid_request_error' } }],
    // https://github.com/assafelovic/gpt-researcher/issues/1556
    ['LM Studio', 400, { error: { message: 'Invalid model identifier "canary".', type: 'invalid_request_error', param: 'model', code: 'model_not_found' } }],
    // https://github.com/TheBlewish/Automated-AI-Web-Researcher-Ollama/issues/42
    ['Ollama', 404, { error: "model 'canary' not found" }],
    // https://github.com/netease-youdao/QAnything/issues/555
    ['Ollama, in OpenAI\'s dialect', 404, { error: { message: 'model "canary" not found, try pulling it first', type: 'api_error', param: null, code: null } }],
    // https://github.com/tmc/langchaingo/issues/1233
    ['Mistral', 400, { object: 'error', message: 'Invalid model: canary', type: 'invalid_model', param: null, code: '1500' }],
    // https://github.com/rashadphz/farfalle/issues/107
    ['Groq', 400, { error: { message: 'The model `canary` has been decommissioned.', type: 'invalid_request_error', code: 'model_decommissioned' } }],
    // https://github.com/ConardLi/easy-dataset/issues/9
    ['DeepSeek', 400, { error: { message: 'Model Not Exist', type: 'invalid_request_error', param: null, code: 'invalid_request_error' } }],
    // https://github.com/mattermost/mattermost-plugin-agents/issues/257
    ['Anthropic', 404, { type: 'error', error: { type: 'not_found_error', message: 'model: canary-sonnet-20241022 ' } }],
    // https://github.com/FoundationAgents/OpenManus/issues/803
    ['Gemini, from where it does not answer', 400, [{ error: { code: 400, message: 'User location is not supported for the API use.', status: 'FAILED_PRECONDITION' } }]],
    // https://github.com/anomalyco/opencode/issues/8796
    ['a gateway before it', 403, { type: 'error', error: { type: 'RegionError', message: 'This model is not available in your country.' } }],
    ['gone, without a word (RFC 9110, section 15.5.11)', 410, ''],
    ['for legal reasons, without a word (RFC 7725)', 451, ''],
  ])('%s', async (_, status, body) => {
    const failed = await refused(status, body)
    expect(failed).toMatchObject({ code: 'upstream_error', upstream: { status } })
    expect(isWithdrawn(failed)).toBe(true)
    expect(saysHealth(failed)).toBe(false)
  })
})

describe('a caller cannot set a deployment aside, nor open its breaker', () => {
  const asked = 'model canary not found'
  test.each([
    ['by an operation whose path the server lacks, without a word', 404, ''],
    ['the same in Ollama and other Go servers', 404, '404 page not found'],
    ['the same in vLLM and other FastAPI servers', 404, { detail: 'Not Found' }],
    ['the same, well formed', 404, { error: { message: 'Not Found', type: 'Not Found', param: null, code: 404 } }],
    // https://github.com/openai/openai-python/issues/362
    ['the same in Azure', 404, { error: { code: '404', message: 'Resource not found' } }],
    // ggml-org/llama.cpp, tools/server/server-http.cpp
    ['the same in llama.cpp', 404, { error: { code: 404, message: 'File Not Found', type: 'not_found_error' } }],
    // https://github.com/iniwap/AIWriteX/issues/26
    ['the same in xAI', 404, { code: 'Some requested entity was not found', error: 'No handler found on route.' }],
    ['with a method that the server lacks', 405, { detail: 'Method Not Allowed' }],
    // https://github.com/sashabaranov/go-openai/issues/126
    ['by asking OpenAI\'s chat model for completions', 404, { error: { message: 'This is a chat model and not supported in the v1/completions endpoint.', type: 'invalid_request_error', param: 'model', code: null } }],
    // https://github.com/n8n-io/n8n/issues/18352
    ['by asking OpenAI for a chat with a model that is there for something else', 404, { error: { message: 'This model is only supported in v1/responses and not in v1/chat/completions.', type: 'invalid_request_error', param: 'model', code: null } }],
    // https://github.com/feyninc/chonkie/issues/529
    ['by asking a Gemini model for what it cannot do', 404, [{ error: { code: 404, message: 'models/canary is not found for API version v1main, or is not supported for embedContent.', status: 'NOT_FOUND' } }]],
    ['by naming a file that is not there like a missing model', 404, { error: { message: `No such File object: ${asked}`, type: 'invalid_request_error', param: 'id', code: null } }],
    // https://github.com/evalstate/fast-agent/issues/122
    ['by wanting what no host offers (OpenRouter)', 404, { error: { message: 'No endpoints found that support tool use.', code: 404 } }],
  ])('%s', async (_, status, body) => {
    const failed = await refused(status, body)
    expect(isWithdrawn(failed)).toBe(false)
    expect(saysHealth(failed)).toBe(false)
    expect(failed.code).toBe('misconfigured')
  })

  test.each([
    ['words of the caller repeated', { error: { message: asked, type: 'BadRequestError', param: null, code: 400 } }],
    ['words of the caller after others', { error: { message: `Invalid value: '${asked}'`, type: 'invalid_request_error', param: 'tool_choice', code: 'invalid_value' } }],
    ['a place that the caller wrote', { error: { message: 'bad', type: 'invalid_request_error', param: 'user_location', code: 'invalid_country_code' } }],
    ['a model that cannot do this', { error: { message: 'bad', type: 'invalid_request_error', param: 'model', code: 'unsupported_model' } }],
    ['a region among the words of the caller', { error: { message: 'In canary: user location is not supported for the API use.', type: 'invalid_request_error' } }],
    ['an answer about something else that is not there', { error: { message: 'canary', type: 'not_found_error', code: 'tool_not_found' } }],
  ])('by a request that is answered 400: %s', async (_, body) => {
    const failed = await refused(400, body)
    expect(failed.code).toBe('refused_by_provider')
    expect(isWithdrawn(failed)).toBe(false)
  })

  test('and a server that is broken is ill, whatever the code', async () => {
    const failed = await refused(503, { error: { message: 'canary', code: 'model_not_found' } })
    expect(isWithdrawn(failed)).toBe(false)
    expect(saysHealth(failed)).toBe(true)
  })
})
