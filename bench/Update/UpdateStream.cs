using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// A client whose sequence goes on through updates: where one is aborted, it asks at once for what follows
/// its tokens, as a partial rollout does. A sequence that has all its tokens is begun anew.
/// </summary>
internal sealed class UpdateStream(EngineModel model, int[] prompt, int mostTokens, ulong seed)
{
    private readonly List<long> _ticks = [];
    private readonly List<string> _versions = [];
    private volatile int _count;

    /// <summary>Tokens that have arrived; any thread may ask.</summary>
    public int Count => _count;

    /// <summary>When each token arrived; once it has ended.</summary>
    public IReadOnlyList<long> Ticks => _ticks;

    /// <summary>Which weights made each.</summary>
    public IReadOnlyList<string> Versions => _versions;

    /// <exception cref="BenchException">The engine failed.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        int[] tokens = prompt;
        while (!stop.IsCancellationRequested)
        {
            if (tokens.Length - prompt.Length >= mostTokens)
                tokens = prompt;
            TokenStream stream = model.Stream(new GenerateRequest
            {
                InputIds = tokens,
                Sampling = new SamplingParams
                {
                    MaxNewTokens = mostTokens - (tokens.Length - prompt.Length), IgnoreEos = true,
                    SamplingSeed = seed,
                },
            });
            using CancellationTokenRegistration registration = stop.Register(stream.Abort);
            await foreach (TokenChunk chunk in stream.ConfigureAwait(false))
            {
                long now = Stopwatch.GetTimestamp();
                foreach (int _ in chunk.TokenIds)
                    _ticks.Add(now);
                _count = _ticks.Count;
            }
            Generation made = await stream.Completion.ConfigureAwait(false);
            if (made.Error is { } error)
                throw new BenchException($"a stream ended with {error.Message}", error);
            foreach (WeightVersionRun run in made.WeightVersions)
                _versions.AddRange(Enumerable.Repeat(run.Version, run.Tokens));
            tokens = [.. tokens, .. made.OutputIds];
        }
    }

    /// <summary>Seconds between tokens up to a moment.</summary>
    public IEnumerable<double> GapsBefore(long ticks)
    {
        for (int i = 1; i < _ticks.Count && _ticks[i] < ticks; i++)
            yield return Stopwatch.GetElapsedTime(_ticks[i - 1], _ticks[i]).TotalSeconds;
    }

    /// <summary>Seconds between its last token of other weights and its first of these; 0 without.</summary>
    public double GapAt(string version)
    {
        int first = _versions.IndexOf(version);
        return first <= 0 ? 0 : Stopwatch.GetElapsedTime(_ticks[first - 1], _ticks[first]).TotalSeconds;
    }

    /// <summary>Tokens that arrived in [from, to).</summary>
    public int CountIn(long from, long to) => _ticks.Count(ticks => ticks >= from && ticks < to);
}
