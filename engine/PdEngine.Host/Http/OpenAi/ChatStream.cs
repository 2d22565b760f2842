using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// A chat choice in deltas. Tool calls go out whole, each as soon as it is; log-probs go with the next event,
/// whatever is in it.
/// </summary>
internal sealed class ChatStream(
    EventStream events, Sample sample, OpenAiAsk ask, OpenAiFrame frame, OpenAiLogProbs logProbs)
    : IChoiceStream
{
    private readonly ToolCallReader _reader = new(ask.ToolNames);
    private readonly List<TokenLogProb> _unsent = [];
    private int _tokenCount;
    private int _callCount;

    public ValueTask BeginAsync() => SendAsync(json =>
    {
        json.WriteString("role", "assistant");
        json.WriteString("content", "");
    });

    public async ValueTask AddAsync(TokenChunk chunk)
    {
        for (int i = 0; i < chunk.LogProbs.Count; i++)
            _unsent.Add(new(chunk.TokenIds[i], chunk.LogProbs[i], sample.Stream.TopsAt(_tokenCount + i)));
        _tokenCount += chunk.TokenIds.Count;
        foreach (ToolCallReader.Piece piece in _reader.Add(chunk.Text))
            await SendAsync(piece).ConfigureAwait(false);
    }

    public async ValueTask EndAsync(Generation generation)
    {
        foreach (ToolCallReader.Piece piece in _reader.End())
            await SendAsync(piece).ConfigureAwait(false);
        await SendAsync(_ => { }, ChatRoute.ReasonOf(generation, _reader)).ConfigureAwait(false);
    }

    private async ValueTask SendAsync(ToolCallReader.Piece piece)
    {
        if (piece.Call is not { } call)
        {
            await SendAsync(json => json.WriteString("content", piece.Text)).ConfigureAwait(false);
            return;
        }
        int index = _callCount++;
        await SendAsync(json => WriteCall(json, index, ChatRoute.NewCallId(), call.Name, ""))
            .ConfigureAwait(false);
        await SendAsync(json => WriteCall(json, index, null, null, call.Arguments)).ConfigureAwait(false);
    }

    private ValueTask SendAsync(Action<Utf8JsonWriter> delta, string? reason = null) =>
        events.SendAsync(json => frame.WriteEvent(json, ask.SendsUsage, () =>
        {
            json.WriteStartObject();
            json.WriteNumber("index", sample.Index ?? 0);
            json.WriteStartObject("delta");
            delta(json);
            json.WriteEndObject();
            if (_unsent.Count == 0)
                json.WriteNull("logprobs");
            else
                logProbs.WriteChat(json, _unsent);
            _unsent.Clear();
            json.WriteString("finish_reason", reason);
            json.WriteEndObject();
        }));

    private static void WriteCall(Utf8JsonWriter json, int index, string? id, string? name, string arguments)
    {
        json.WriteStartArray("tool_calls");
        json.WriteStartObject();
        json.WriteNumber("index", index);
        if (id is not null)
        {
            json.WriteString("id", id);
            json.WriteString("type", "function");
        }
        json.WriteStartObject("function");
        if (name is not null)
            json.WriteString("name", name);
        json.WriteString("arguments", arguments);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
    }
}
