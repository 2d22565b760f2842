namespace PdEngine.Host;

/// <summary>A completion choice in parts.</summary>
internal sealed class CompletionStream(
    EventStream events, Sample sample, OpenAiAsk ask, OpenAiFrame frame, OpenAiLogProbs logProbs)
    : IChoiceStream
{
    private int _tokenCount;
    private int _letterCount;

    public ValueTask BeginAsync() => ValueTask.CompletedTask;

    public async ValueTask AddAsync(TokenChunk chunk)
    {
        List<TokenLogProb> entries = [];
        for (int i = 0; i < chunk.LogProbs.Count; i++)
            entries.Add(new(chunk.TokenIds[i], chunk.LogProbs[i], sample.Stream.TopsAt(_tokenCount + i)));
        _tokenCount += chunk.TokenIds.Count;
        await SendAsync(chunk.Text, entries, reason: null).ConfigureAwait(false);
        _letterCount += chunk.Text.Length;
    }

    public ValueTask EndAsync(Generation generation) =>
        SendAsync("", [], OpenAiFrame.ReasonOf(generation));

    private ValueTask SendAsync(string text, IReadOnlyList<TokenLogProb> entries, string? reason) =>
        events.SendAsync(json => frame.WriteEvent(json, ask.SendsUsage, () => CompletionRoute.WriteChoice(
            json, sample.Index ?? 0, text, ask, logProbs, entries, _letterCount, reason)));
}
