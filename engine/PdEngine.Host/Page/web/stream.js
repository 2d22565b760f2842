// A streamed answer of OpenAI's routes: tokens with their log-probs, as they come.

/** The objects of server-sent events, up to their end. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  while (true) {
    const { value, done } = await reader.read();
    if (done) throw new Error('The stream broke off: the server ended it, or has gone.');
    rest += value;
    let end;
    while ((end = rest.indexOf('\n\n')) >= 0) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 2);
      if (line === 'data: [DONE]') return;
      if (line.startsWith('data: ')) yield JSON.parse(line.slice(6));
    }
  }
}

/** Tokens of an event of a chat; bytes make whole letters where tokens are parts of them. */
function chatTokens(choice, decoder) {
  return (choice.logprobs?.content ?? []).map(entry => ({
    text: entry.bytes?.length ? decoder.decode(new Uint8Array(entry.bytes), { stream: true }) : entry.token,
    logprob: entry.logprob, tops: entry.top_logprobs.map(top => [top.token, top.logprob]),
  }));
}

function completionTokens(choice) {
  const { tokens = [], token_logprobs: values = [], top_logprobs: tops } = choice.logprobs ?? {};
  return tokens.map((text, i) => ({
    text, logprob: values[i],
    tops: Object.entries(tops?.[i] ?? {}).sort((a, b) => b[1] - a[1]),
  }));
}

/**
 * Asks and hands on what comes: onPart(text, tokens), in order. Gives the reason of the end and the usage.
 * @param {string} path One of OpenAI's two.
 * @param {object} body What is asked, without what makes it stream.
 */
export async function stream(path, body, signal, onPart) {
  const answer = await fetch(path, {
    method: 'POST', signal,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  if (!answer.ok) throw new Error(await reasonOf(answer));
  const decoder = new TextDecoder();
  const outcome = { reason: null, usage: null };
  for await (const event of events(answer.body)) {
    if (event.error) throw new Error(event.error.message);
    outcome.usage = event.usage ?? outcome.usage;
    const choice = event.choices[0];
    if (choice === undefined) continue;
    outcome.reason = choice.finish_reason ?? outcome.reason;
    const isChat = choice.delta !== undefined;
    const tokens = isChat ? chatTokens(choice, decoder) : completionTokens(choice);
    const text = (isChat ? choice.delta.content : choice.text) ?? '';
    if (text !== '' || tokens.length > 0) onPart(text, tokens);
  }
  return outcome;
}

async function reasonOf(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `The server said ${answer.status}.`;
  }
}
