using System.Diagnostics.Metrics;

namespace PdEngine;

/// <summary>
/// What one service tells <c>System.Diagnostics.Metrics</c>, on a meter called <c>PdEngine</c>: gauges are
/// read from the workers when a listener asks, the rest is recorded as requests end. Tags: model, worker,
/// role, path, reason.
/// </summary>
internal sealed class EngineInstruments : IDisposable
{
    /// <summary>Upper bounds in seconds of the histograms' buckets.</summary>
    public static IReadOnlyList<double> BoundsSeconds { get; } =
        [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 500];

    private readonly Meter _meter = new("PdEngine");
    private readonly KeyValuePair<string, object?> _model;
    private readonly Router _router;
    private readonly Counter<long> _requests;
    private readonly Counter<long> _promptTokens;
    private readonly Counter<long> _cachedTokens;
    private readonly Counter<long> _outputTokens;
    private readonly Counter<long> _handoffBlocks;
    private readonly Counter<long> _transferBytes;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _endToEnd;
    private readonly Histogram<double> _handoff;

    public EngineInstruments(string model, Router router)
    {
        _model = new("model", model);
        _router = router;
        _requests = _meter.CreateCounter<long>("pdengine.requests", "requests", "Requests that ended.");
        _promptTokens = _meter.CreateCounter<long>("pdengine.prompt_tokens", "tokens", "Of ended requests.");
        _cachedTokens = _meter.CreateCounter<long>(
            "pdengine.cached_tokens", "tokens", "Prompt tokens that a prefix cache supplied.");
        _outputTokens = _meter.CreateCounter<long>("pdengine.output_tokens", "tokens", "Generated tokens.");
        _handoffBlocks = _meter.CreateCounter<long>(
            "pdengine.handoff.blocks", "blocks", "KV blocks that changed hands.");
        _transferBytes = _meter.CreateCounter<long>(
            "pdengine.handoff.transferred", "By", "Bytes of K and V copied between domains.");
        _firstToken = Seconds("time_to_first_token", "From submission to the first token.");
        _endToEnd = Seconds("request.duration", "Submission to end.");
        _handoff = Seconds("handoff.duration", "First token until the decode worker has the sequence.");
        Gauge("queued", "sequences", snapshot => snapshot.QueuedCount);
        Gauge("prefilling", "sequences", snapshot => snapshot.PrefillingCount);
        Gauge("arrived", "sequences", snapshot => snapshot.ArrivedCount);
        Gauge("decoding", "sequences", snapshot => snapshot.DecodingCount);
        Gauge("steps", "steps", snapshot => snapshot.StepCount);
        Gauge("retractions", "sequences", snapshot => snapshot.RetractionCount);
        Gauge("failed_steps", "steps", snapshot => snapshot.FailureCount);
        Gauge("prefill_tokens", "tokens", snapshot => snapshot.PrefillTokenCount);
        Gauge("blocks.free", "blocks", snapshot => snapshot.FreeBlockCount);
        Gauge("blocks.cached", "blocks", snapshot => snapshot.CachedBlockCount);
        Gauge("blocks.evictable", "blocks", snapshot => snapshot.EvictableBlockCount);
        _meter.CreateObservableGauge("pdengine.worker.alive", Alive, "workers", "1 while it lives.");
        _meter.CreateObservableGauge("pdengine.worker.blocks.charged", Charged, "blocks", "Of its quota.");
    }

    /// <summary>Records a request that ended; on the thread of its last worker.</summary>
    public void Record(Generation generation)
    {
        _requests.Add(1, _model, new("path", generation.PdPath.ToString().ToLowerInvariant()),
            new("reason", generation.FinishReason.ToString().ToLowerInvariant()));
        _promptTokens.Add(generation.PromptIds.Length, _model);
        _cachedTokens.Add(generation.CachedTokens, _model);
        _outputTokens.Add(generation.OutputIds.Count, _model);
        _endToEnd.Record(generation.EndToEndTime.TotalSeconds, _model);
        if (generation.TimeToFirstToken is { } firstToken)
            _firstToken.Record(firstToken.TotalSeconds, _model);
        if (generation.HandoffBlocks == 0)
            return;
        _handoffBlocks.Add(generation.HandoffBlocks, _model);
        _transferBytes.Add(generation.TransferBytes, _model);
        _handoff.Record(generation.Timings.PassingNs / 1e9, _model);
    }

    public void Dispose() => _meter.Dispose();

    private Histogram<double> Seconds(string name, string description) => _meter.CreateHistogram(
        $"pdengine.{name}", "s", description, tags: null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = BoundsSeconds });

    private void Gauge(string name, string unit, Func<WorkerSnapshot, long> value) =>
        _meter.CreateObservableGauge($"pdengine.worker.{name}", () => Observe(value), unit);

    private IEnumerable<Measurement<long>> Observe(Func<WorkerSnapshot, long> value) =>
        _router.Slots.Select(slot => Measure(slot, value(slot.Worker.Snapshot())));

    private IEnumerable<Measurement<long>> Alive() =>
        _router.Slots.Select(slot => Measure(slot, slot.Worker.IsDead ? 0 : 1));

    private IEnumerable<Measurement<long>> Charged() =>
        _router.Slots.Select(slot => Measure(slot, slot.Worker.Space.ChargedBlocks));

    private Measurement<long> Measure(WorkerSlot slot, long value) =>
        new(value, _model, new("worker", slot.Name), new("role", slot.Role.ToString().ToLowerInvariant()));
}
