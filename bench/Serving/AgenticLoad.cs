using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>
/// Sessions of several turns, some at once: each turn's prompt is all that came before, the model's own
/// output and a tool's result included.
/// </summary>
internal sealed record AgenticLoad : IServingLoad
{
    /// <summary>Of the same form, in a second on a tiny model.</summary>
    public static AgenticLoad Quick { get; } = new()
    {
        Sessions = 3, Turns = 3, StartTokens = 100, TurnTokens = 40, OutputTokens = 8, Concurrency = 2,
    };

    public string Name => "agentic";

    public string Title =>
        $"{Sessions} sessions of {Turns} turns, {Concurrency} at once, contexts from {StartTokens} to "
        + $"{LongestTokens}";

    public string DefaultModel => "random:smollm2-135m";

    public int Sessions { get; init; } = 8;

    public int Turns { get; init; } = 8;

    /// <summary>Prompt of the first turn.</summary>
    public int StartTokens { get; init; } = 2048;

    /// <summary>What a tool adds between two turns.</summary>
    public int TurnTokens { get; init; } = 640;

    /// <summary>What the model makes in a turn.</summary>
    public int OutputTokens { get; init; } = 128;

    /// <summary>Sessions at once.</summary>
    public int Concurrency { get; init; } = 4;

    public int MaxConcurrency => Math.Min(Concurrency, Sessions);

    public int LongestTokens => StartTokens + ((Turns - 1) * (TurnTokens + OutputTokens)) + OutputTokens;

    /// <remarks>The clock starts with the first request.</remarks>
    public async Task<LoadTrace> RunAsync(IServer server, int vocabularySize, int seed)
    {
        RequestTrace[] traces = new RequestTrace[Sessions * Turns];
        int next = -1;
        await Task.WhenAll(Enumerable.Range(0, MaxConcurrency).Select(_ => Task.Run(async () =>
        {
            for (int session; (session = Interlocked.Increment(ref next)) < Sessions;)
            {
                await RunSessionAsync(
                    server, session, vocabularySize, seed,
                    new ArraySegment<RequestTrace>(traces, session * Turns, Turns)).ConfigureAwait(false);
            }
        }))).ConfigureAwait(false);
        return new LoadTrace(traces.Min(trace => trace.SubmittedTicks), traces);
    }

    public void WriteParameters(Utf8JsonWriter json)
    {
        json.WriteNumber("sessions", Sessions);
        json.WriteNumber("turns", Turns);
        json.WriteNumber("start_tokens", StartTokens);
        json.WriteNumber("turn_tokens", TurnTokens);
        json.WriteNumber("output_tokens", OutputTokens);
        json.WriteNumber("concurrency", MaxConcurrency);
    }

    private async Task RunSessionAsync(
        IServer server, int session, int vocabularySize, int seed, ArraySegment<RequestTrace> traces)
    {
        string name = $"session {session}";
        List<int> history = [.. KeyHash.Tokens(name, seed, StartTokens, vocabularySize)];
        for (int turn = 0; turn < Turns; turn++)
        {
            string key = $"{name} turn {turn}";
            if (turn > 0)
                history.AddRange(KeyHash.Tokens(key, seed, TurnTokens, vocabularySize));
            traces[turn] = await server.RunAsync(new ServingRequest
            {
                Key = key, Row = session, Role = RequestRole.Turn, Session = name,
                Prompt = [.. history], OutputTokens = OutputTokens,
            }).ConfigureAwait(false);
            history.AddRange(traces[turn].OutputIds);
        }
    }
}
