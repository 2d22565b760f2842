using System.Collections.Concurrent;
using System.Diagnostics;

namespace PdEngine.Tests;

/// <summary>Listens to the engine's spans.</summary>
internal sealed class HeardSpans : IDisposable
{
    private readonly ConcurrentQueue<Activity> _ended = new();
    private readonly ActivityListener _listener;

    public HeardSpans(Action? onEnd = null)
    {
        _listener = new()
        {
            ShouldListenTo = source => source.Name == "PdEngine",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) =>
                ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                onEnd?.Invoke();
                _ended.Enqueue(span);
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>Spans of requests that have ended.</summary>
    public Activity[] Requests =>
        [.. _ended.Where(span => span.OperationName.EndsWith(" m", StringComparison.Ordinal)
            || span.OperationName.EndsWith(" default", StringComparison.Ordinal))];

    public int Count => _ended.Count;

    /// <summary>Waits for so many requests.</summary>
    public Activity[] WaitFor(int requests)
    {
        Assert.That(() => Requests, Has.Length.EqualTo(requests).After(60_000, 5));
        return Requests;
    }

    public Activity[] ChildrenOf(Activity request) =>
    [
        .. _ended.Where(span => span.ParentSpanId == request.SpanId && span.TraceId == request.TraceId)
            .OrderBy(span => span.StartTimeUtc),
    ];

    public void Dispose() => _listener.Dispose();
}
