namespace PdEngine.Host;

/// <summary>
/// The samples of one call, submitted together: all or none. They end early when the client goes or the time
/// of requests is over.
/// </summary>
internal sealed class SampleSet : IDisposable
{
    private readonly HttpCall _call;
    private readonly CancellationTokenSource _deadline;
    private readonly CancellationTokenRegistration _onGone;
    private readonly CancellationTokenRegistration _onDeadline;
    private readonly Sample[] _samples;

    /// <param name="call">Whose.</param>
    /// <param name="bodies">One for each prompt.</param>
    /// <param name="isList">They are numbered.</param>
    /// <exception cref="RequestException">A body asks for what cannot be.</exception>
    /// <exception cref="CapacityException">One does not fit, or the queue is full.</exception>
    public SampleSet(HttpCall call, IReadOnlyList<GenerateBody> bodies, bool isList)
    {
        _call = call;
        _samples = [.. Submit(call, bodies, isList)];
        _deadline = new(call.Server.Options.RequestTimeout);
        _onGone = call.Gone.Register(Abort);
        _onDeadline = _deadline.Token.Register(Abort);
    }

    public IReadOnlyList<Sample> All => _samples;

    /// <summary>Ends when all have; the client may have gone meanwhile.</summary>
    public async Task<Generation[]> FinishAsync()
    {
        Generation[] generations =
            await Task.WhenAll(_samples.Select(sample => sample.Stream.Completion)).ConfigureAwait(false);
        _call.Gone.ThrowIfCancellationRequested();
        return generations;
    }

    public void Abort()
    {
        foreach (Sample sample in _samples)
            sample.Stream.Abort();
    }

    public void Dispose()
    {
        _onGone.Dispose();
        _onDeadline.Dispose();
        _deadline.Dispose();
        foreach (Sample sample in _samples)
            _call.Server.Live.Remove(sample);
        _call.Server.Log.Made(_call.Context, _samples);
    }

    private static List<Sample> Submit(HttpCall call, IReadOnlyList<GenerateBody> bodies, bool isList)
    {
        List<Sample> samples = [];
        try
        {
            foreach (GenerateBody body in bodies)
                SubmitSamples(call, body, isList, samples);
            return samples;
        }
        catch
        {
            foreach (Sample sample in samples)
            {
                sample.Stream.Abort();
                call.Server.Live.Remove(sample);
            }
            throw;
        }
    }

    private static void SubmitSamples(HttpCall call, GenerateBody body, bool isList, List<Sample> samples)
    {
        string requestName = body.RequestName ?? Guid.NewGuid().ToString("N");
        ulong ordinal = call.Server.NextOrdinal();
        for (int i = 0; i < body.SampleCount; i++)
        {
            // As a batch file has it: the same lines in the same order give the same tokens.
            SamplingParams sampling = body.Request.Sampling;
            ulong seed = sampling.SamplingSeed is { } given
                ? unchecked(given + (ulong)i)
                : SeedHash.Of(call.Server.Options.Seed, ordinal, (ulong)i);
            TokenStream stream = call.Model.Stream(
                body.Request with
                {
                    Sampling = sampling with { SamplingSeed = seed }, TraceParent = call.TraceParent,
                });
            string name = body.SampleCount > 1 ? $"{requestName}-{i}" : requestName;
            Sample sample = new(requestName, name, body, stream, isList ? samples.Count : null);
            call.Server.Live.Add(sample);
            samples.Add(sample);
        }
    }
}
