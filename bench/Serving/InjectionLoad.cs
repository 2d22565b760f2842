using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>
/// Streams that decode, and one prompt that arrives amid them: what does a prompt do to its neighbours?
/// </summary>
internal sealed record InjectionLoad : IServingLoad
{
    /// <summary>Of the same form, in a second on a tiny model.</summary>
    public static InjectionLoad Quick { get; } = new()
    {
        Streams = 3, StreamTokens = 24, ContextTokens = 96, InjectTokens = 160, InjectOutputTokens = 4,
        InjectAfter = 8,
    };

    public string Name => "injection";

    public string Title =>
        $"{Streams} streams of {StreamTokens} tokens at {ContextTokens}, a prompt of {InjectTokens} "
        + $"injected after {InjectAfter}";

    public string DefaultModel => "random:qwen3-0.6b";

    public int Streams { get; init; } = 6;

    /// <summary>Tokens that each stream makes.</summary>
    public int StreamTokens { get; init; } = 128;

    /// <summary>Prompt of each stream, in the cache before the streams start.</summary>
    public int ContextTokens { get; init; } = 2048;

    /// <summary>Tokens of the injected prompt.</summary>
    public int InjectTokens { get; init; } = 2048;

    /// <summary>Tokens that it makes.</summary>
    public int InjectOutputTokens { get; init; } = 16;

    /// <summary>It comes when every stream has made so many.</summary>
    public int InjectAfter { get; init; } = 32;

    public int MaxConcurrency => Streams + 1;

    public int LongestTokens =>
        Math.Max(ContextTokens + StreamTokens, InjectTokens + InjectOutputTokens);

    /// <remarks>The clock starts when the last stream has its first token.</remarks>
    public async Task<LoadTrace> RunAsync(IServer server, int vocabularySize, int seed)
    {
        ServingRequest[] streams =
            [.. Enumerable.Range(0, Streams).Select(i => StreamRequest(i, vocabularySize, seed))];
        await Task.WhenAll(streams.Select(stream => server.RunAsync(stream with { OutputTokens = 1 })))
            .ConfigureAwait(false);
        ServingRequest prompt = new()
        {
            Key = "injected", Row = Streams, Role = RequestRole.Injected, OutputTokens = InjectOutputTokens,
            Prompt = KeyHash.Tokens("injected", seed, InjectTokens, vocabularySize),
        };
        TokenGate gate = new(Streams, InjectAfter);
        Task<RequestTrace[]> running = Task.WhenAll(
            streams.Select(stream => server.RunAsync(stream, count => gate.Add(stream.Row, count))));
        await Task.WhenAny(gate.Reached, running).ConfigureAwait(false);
        RequestTrace injected = await server.RunAsync(prompt).ConfigureAwait(false);
        RequestTrace[] traces = await running.ConfigureAwait(false);
        return new LoadTrace(traces.Max(trace => trace.FirstTicks), [.. traces, injected]);
    }

    public void WriteParameters(Utf8JsonWriter json)
    {
        json.WriteNumber("streams", Streams);
        json.WriteNumber("stream_tokens", StreamTokens);
        json.WriteNumber("context_tokens", ContextTokens);
        json.WriteNumber("inject_tokens", InjectTokens);
        json.WriteNumber("inject_output_tokens", InjectOutputTokens);
        json.WriteNumber("inject_after_tokens", InjectAfter);
    }

    private ServingRequest StreamRequest(int index, int vocabularySize, int seed)
    {
        string key = $"stream {index}";
        return new ServingRequest
        {
            Key = key, Row = index, Role = RequestRole.Stream, OutputTokens = StreamTokens, Session = key,
            Prompt = KeyHash.Tokens(key, seed, ContextTokens, vocabularySize),
        };
    }
}
