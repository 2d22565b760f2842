using System.Threading.Channels;

namespace PdEngine;

/// <summary>
/// Collects groups in the background until it is disposed of or the prompts end. One reader takes them.
/// </summary>
public sealed class RolloutCollector : IAsyncDisposable
{
    private readonly RolloutSession _session;
    private readonly EngineModel _model;
    private readonly IEnumerator<RolloutPrompt> _prompts;
    private readonly Queue<RolloutPrompt> _again = new();
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<RolloutGroup> _ready;
    private readonly Task _running;
    private int _runningCount;
    private int _isDisposed;
    private long _filteredCount;

    internal RolloutCollector(
        RolloutSession session, EngineModel model, IEnumerator<RolloutPrompt> prompts)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        RolloutOptions options = session.Options;
        (_session, _model, _prompts) = (session, model, prompts);
        _ready = Channel.CreateBounded<RolloutGroup>(options.QueuedGroups);
        _runningCount = Math.Max(1, options.MaxConcurrentSamples / options.SamplesPerPrompt);
        _running = Task.WhenAll(Enumerable.Range(0, _runningCount).Select(_ => Task.Run(RunAsync)));
    }

    /// <summary>Groups that were too many updates behind when they were taken.</summary>
    public long StaleGroupCount { get; private set; }

    /// <summary>Groups that the filter turned down.</summary>
    public long FilteredGroupCount => Interlocked.Read(ref _filteredCount);

    /// <summary>The next group; null where the prompts have ended.</summary>
    /// <param name="cancellationToken">Ends the wait; nothing is lost.</param>
    public async ValueTask<RolloutGroup?> TakeAsync(CancellationToken cancellationToken = default)
    {
        while (await _ready.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (!_ready.Reader.TryRead(out RolloutGroup? group))
                continue;
            if (StalenessOf(group) <= _session.Options.MaxStaleness)
                return group;
            StaleGroupCount++;
            Again(group.Prompt);
        }
        return await TakeLastAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>How many updates the oldest token of a group is behind.</summary>
    public int StalenessOf(RolloutGroup group)
    {
        ArgumentNullException.ThrowIfNull(group);
        int most = 0;
        foreach (RolloutSample sample in group.Samples)
        {
            if (sample.WeightVersions.Count > 0)
                most = Math.Max(most, _model.UpdatesSince(sample.WeightVersions[0].Version));
        }
        return most;
    }

    /// <summary>Aborts what runs.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
            return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    /// <summary>The prompts have ended and nothing runs: what was stale since then is sampled here.</summary>
    private async Task<RolloutGroup?> TakeLastAsync(CancellationToken cancellationToken)
    {
        while (_again.TryDequeue(out RolloutPrompt? prompt))
        {
            using CancellationTokenSource either =
                CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
            RolloutGroup group = await _session.RunGroupAsync(prompt, either.Token).ConfigureAwait(false);
            if (group.IsPartial)
                _again.Enqueue(prompt);
            cancellationToken.ThrowIfCancellationRequested();
            if (_stop.IsCancellationRequested)
                return null;
            if (_session.Options.Filter?.Invoke(group) ?? true)
                return group;
            Interlocked.Increment(ref _filteredCount);
        }
        return null;
    }

    private async Task RunAsync()
    {
        try
        {
            while (!_stop.IsCancellationRequested && TryNext(out RolloutPrompt prompt))
            {
                RolloutGroup group = await _session.RunGroupAsync(prompt, _stop.Token).ConfigureAwait(false);
                if (group.IsPartial)
                    Again(prompt);
                else if (_session.Options.Filter?.Invoke(group) ?? true)
                    await _ready.Writer.WriteAsync(group, _stop.Token).ConfigureAwait(false);
                else
                    Interlocked.Increment(ref _filteredCount);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
        catch (Exception failure)
        {
            _ready.Writer.TryComplete(failure);
            throw;
        }
        if (Interlocked.Decrement(ref _runningCount) == 0)
            _ready.Writer.TryComplete();
    }

    private void Again(RolloutPrompt prompt)
    {
        lock (_gate)
            _again.Enqueue(prompt);
    }

    private bool TryNext(out RolloutPrompt prompt)
    {
        lock (_gate)
        {
            if (_again.TryDequeue(out prompt!))
                return true;
            bool any = _prompts.MoveNext();
            if (any)
                prompt = _prompts.Current;
            return any;
        }
    }
}
