namespace PdEngine;

/// <summary>
/// Pauses all workers of one service at their step boundaries, gives them other weights and lets them go on.
/// One caller at a time.
/// </summary>
/// <remarks>
/// Each stage is a command to every worker and ends when all have acted on it; a worker that dies counts as
/// having acted. A command is behind everything that was posted before it, so what workers sent one another
/// in an earlier stage has arrived. <see cref="Router.Swapping"/> makes each stage atomic against the
/// restart of a worker: it is either told, or made in the new state.
/// </remarks>
/// <param name="router">Whose workers.</param>
/// <param name="first">What they start with.</param>
/// <param name="runsInline">
/// A stage's end goes on at once, on the thread of the last worker, as a simulation needs it.
/// </param>
internal sealed class WeightSwap(Router router, WeightEpoch first, bool runsInline)
{
    private volatile WeightEpoch _current = first;

    /// <summary>What the workers compute with, or are about to.</summary>
    public WeightEpoch Current => _current;

    /// <summary>Workers schedule nothing; a new one starts that way.</summary>
    public bool IsPaused { get; private set; }

    /// <summary>Ends when no worker computes any more and sequences are as the mode has it.</summary>
    /// <param name="mode">What becomes of sequences.</param>
    /// <param name="abortAll">Asks for the end of every request; called in that mode.</param>
    public async Task PauseAsync(PauseMode mode, Action abortAll)
    {
        if (mode == PauseMode.Abort)
            abortAll();
        await AskAllAsync(worker => worker.Pause(), () => IsPaused = true).ConfigureAwait(false);
        await AskAllAsync(worker => worker.Yield(mode)).ConfigureAwait(false);
        // What sources then told their targets to drop is dropped now.
        await AskAllAsync(_ => { }).ConfigureAwait(false);
    }

    /// <summary>Ends when every worker has the weights; all of them must be paused.</summary>
    public Task SwapAsync(WeightEpoch next)
    {
        Check.That(IsPaused && next.Number == _current.Number + 1);
        return AskAllAsync(worker => worker.Use(next), () => Begin(next));
    }

    /// <summary>Ends when every worker goes on.</summary>
    public Task ContinueAsync() => AskAllAsync(worker => worker.Resume(), () => IsPaused = false);

    /// <summary>Has every worker act between two of its batches; ends when all have.</summary>
    /// <param name="act">On the worker's thread.</param>
    /// <param name="before">What changes for workers that are made from now on.</param>
    public Task AskAllAsync(Action<Worker> act, Action? before = null)
    {
        TaskCompletionSource done = new(runsInline
            ? TaskCreationOptions.None
            : TaskCreationOptions.RunContinuationsAsynchronously);
        lock (router.Swapping)
        {
            before?.Invoke();
            Rendezvous all = new(router.Slots.Count, done.SetResult);
            foreach (WorkerSlot slot in router.Slots)
            {
                if (!slot.Worker.TryPost(new WorkerCommand.Do(act, all)))
                    all.Arrive();
            }
        }
        return done.Task;
    }

    private void Begin(WeightEpoch next)
    {
        _current = next;
        foreach (KvDomain domain in router.Slots.Select(slot => slot.Worker.Space.Domain).Distinct())
        {
            lock (domain.Gate)
                domain.BeginEpoch(next.Number);
        }
    }
}
