/**
 * The two signs by which Ollama says that somebody else's machine does the work (resilience, section 2): they are in what it
 * says of a model and in each answer. INVARIANT: either is enough.
 */
export function isRemote(said: object): boolean {
  const { remote_host: host, remote_model: model } = said as { readonly remote_host?: unknown; readonly remote_model?: unknown }
  return [host, model].some(sign => sign !== undefined && sign !== null && sign !== '')
}
