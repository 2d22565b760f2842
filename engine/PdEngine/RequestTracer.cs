using System.Collections.Concurrent;
using System.Diagnostics;

namespace PdEngine;

/// <summary>
/// What one service tells <c>System.Diagnostics</c> of each request, on an activity source called
/// <c>PdEngine</c>: a span named by OpenTelemetry's conventions for generative AI, with a child for each
/// stretch of its life. Where nobody listens it does nothing. The span begins with the submission, on the
/// caller's thread; everything else is written when the request has ended, away from the worker.
/// </summary>
/// <param name="model">The service's name.</param>
/// <param name="clock">Of the workers.</param>
internal sealed class RequestTracer(string model, TimeProvider clock) : IDisposable
{
    /// <summary>Listeners of their own may hang; an engine that ends does not wait longer for one.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly ActivitySource _source = new("PdEngine");
    private readonly ConcurrentDictionary<Unwritten, bool> _unwritten = [];

    /// <summary>Begins the span of a request; null where nobody wants it.</summary>
    /// <param name="request">Which.</param>
    /// <param name="times">Of its sequence, which nobody has yet.</param>
    public Activity? Begin(Request request, SequenceTimes times)
    {
        if (!_source.HasListeners())
            return null;
        Activity? outer = Activity.Current;
        try
        {
            TimeSpan age = clock.GetElapsedTime(times.SubmittedTicks, clock.GetTimestamp());
            Activity? span = _source.StartActivity(
                $"{request.Operation} {model}",
                request.TraceParent is { IsRemote: true } ? ActivityKind.Server : ActivityKind.Internal,
                request.TraceParent ?? default, startTime: clock.GetUtcNow() - age);
            if (span is { IsAllDataRequested: true })
                times.KeepTrail();
            return span;
        }
        finally
        {
            Activity.Current = outer;
        }
    }

    /// <summary>Ends the span of a request that was refused.</summary>
    public static void Refuse(Activity span, Exception cause)
    {
        Activity? outer = Activity.Current;
        SpanTags.AddError(span, cause);
        span.Stop();
        Activity.Current = outer;
    }

    /// <summary>Ends the span once the request has ended; never throws.</summary>
    public void EndWith(Activity span, Request request, SequenceTimes times, Task<Generation> completion)
    {
        Unwritten one = new(span, request, times, completion);
        _unwritten.TryAdd(one, true);
        _ = WriteAtEndAsync(one);
    }

    /// <summary>
    /// Has the spans of requests that have ended written, and waits for that for a while. It takes a thread
    /// of its own: the pool may be busy with other things for long.
    /// </summary>
    public void Dispose()
    {
        if (!_unwritten.IsEmpty)
        {
            Task.Factory.StartNew(
                WriteEnded, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            SpinWait.SpinUntil(() => _unwritten.IsEmpty, Patience);
        }
        _source.Dispose();
    }

    private async Task WriteAtEndAsync(Unwritten one)
    {
        // From here on it is another thread.
        await one.Completion.ConfigureAwait(false);
        Write(one);
    }

    private void WriteEnded()
    {
        foreach (Unwritten one in _unwritten.Keys)
        {
            if (one.Completion.IsCompletedSuccessfully)
                Write(one);
        }
    }

    private void Write(Unwritten one)
    {
        if (!one.TryTake())
            return;
        try
        {
            DateTime end = one.Span.StartTimeUtc
                + clock.GetElapsedTime(one.Times.SubmittedTicks, one.Times.FinishedTicks);
            if (one.Span.IsAllDataRequested)
            {
                SpanTags.Add(one.Span, model, one.Request, one.Completion.Result);
                AddChildren(one.Span, one.Times, one.Completion.Result, end);
            }
            one.Span.SetEndTime(end);
            one.Span.Stop();
        }
        catch (Exception)
        {
            // A listener's own, and nobody here to tell: the span is lost.
        }
        finally
        {
            _unwritten.TryRemove(one, out _);
        }
    }

    /// <summary>
    /// One behind the other without a gap, from the submission to the end; more than four where it was
    /// retracted.
    /// </summary>
    private void AddChildren(Activity span, SequenceTimes times, Generation generation, DateTime end)
    {
        IReadOnlyList<StageStart> trail = times.Trail;
        for (int i = 0; i < trail.Count;)
        {
            string name = Name(i);
            int next = i + 1;
            while (next < trail.Count && Name(next) == name)
                next++;
            DateTime from = At(trail[i].Ticks);
            DateTime to = next < trail.Count ? At(trail[next].Ticks) : end;
            i = next;
            // A stretch of no time is none.
            if (to <= from)
                continue;
            using Activity? child = _source.StartActivity(
                name, ActivityKind.Internal, span.Context, startTime: from);
            if (child is null)
                continue;
            SpanTags.AddStage(child, name, generation);
            child.SetEndTime(to);
        }

        // Where nothing was made, what follows the prompt is only its end.
        string Name(int index) => generation.OutputIds.Count == 0
            && trail[index].Stage == SequenceStage.DecodeForward
                ? SpanTags.Prefill
                : NameOf(trail[index].Stage);

        DateTime At(long ticks) => span.StartTimeUtc + clock.GetElapsedTime(times.SubmittedTicks, ticks);
    }

    private static string NameOf(SequenceStage stage) => stage switch
    {
        SequenceStage.PrefillQueue => SpanTags.Queue,
        SequenceStage.PrefillForward => SpanTags.Prefill,
        SequenceStage.DecodeForward => SpanTags.Decode,
        _ => SpanTags.Handoff,
    };

    /// <summary>A span that ends with its request.</summary>
    private sealed class Unwritten(
        Activity span, Request request, SequenceTimes times, Task<Generation> completion)
    {
        private int _takenCount;

        public Activity Span => span;

        public Request Request => request;

        public SequenceTimes Times => times;

        public Task<Generation> Completion => completion;

        /// <summary>Whether it is the caller who writes it.</summary>
        public bool TryTake() => Interlocked.Increment(ref _takenCount) == 1;
    }
}
