using System.Diagnostics.CodeAnalysis;

namespace PdEngine;

/// <summary>Groups that one batch leaves for the next. Any thread may call it.</summary>
internal sealed class KeptGroups
{
    private readonly Lock _gate = new();

    /// <summary>Samples or rewards of theirs have not ended.</summary>
    private readonly Queue<RolloutGroup> _partial = new();

    /// <summary>They have their rewards; the filter has not seen them.</summary>
    private readonly Queue<RolloutGroup> _finished = new();

    /// <summary>The filter has let them through, and nobody got them.</summary>
    private readonly Queue<RolloutGroup> _passed = new();

    public int Count
    {
        get
        {
            lock (_gate)
                return _partial.Count + _finished.Count + _passed.Count;
        }
    }

    /// <summary>Finished ones first.</summary>
    public bool TryTake([NotNullWhen(true)] out RolloutGroup? group, out bool isFinished)
    {
        lock (_gate)
        {
            isFinished = _finished.TryDequeue(out group);
            return isFinished || _partial.TryDequeue(out group);
        }
    }

    /// <summary>At most so many that the filter has let through.</summary>
    public List<RolloutGroup> TakePassed(int most)
    {
        List<RolloutGroup> taken = [];
        lock (_gate)
        {
            while (taken.Count < most && _passed.TryDequeue(out RolloutGroup? group))
                taken.Add(group);
        }
        return taken;
    }

    public void KeepPassed(IEnumerable<RolloutGroup> groups)
    {
        lock (_gate)
        {
            foreach (RolloutGroup group in groups)
                _passed.Enqueue(group);
        }
    }

    /// <summary>Keeps what is aborted, once it has ended; one that failed is gone.</summary>
    /// <param name="running">It.</param>
    /// <param name="keepsPartial">See <see cref="RolloutOptions.KeepsPartial"/>.</param>
    /// <param name="dropsFinished">Nobody misses finished ones where partial ones are not kept.</param>
    public async Task KeepAsync(IReadOnlyList<GroupRun> running, bool keepsPartial, bool dropsFinished)
    {
        Task all = Task.WhenAll(running.Select(run => run.Ending));
        await all.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_gate)
        {
            foreach (GroupRun run in running.Where(run => !run.Ending.IsFaulted))
            {
                // Cancelled is a reward that was not given to the end.
                bool isFinished = run.Ending.IsCompletedSuccessfully && !run.Group.IsPartial;
                if (isFinished && (keepsPartial || !dropsFinished))
                    _finished.Enqueue(run.Group);
                else if (!isFinished && keepsPartial)
                    _partial.Enqueue(run.Group);
            }
        }
    }
}
