using System.Runtime.ExceptionServices;

namespace PdEngine.Tests;

/// <summary>The caller who updates the weights of a service, and pauses it, at any moment of a run.</summary>
internal sealed class SimulatedUpdates(
    SimulationSetup setup, SimulatedCluster cluster, List<SimulatedCall> live,
    SimulationTally tally, Action<SimulatedCall> abort)
{
    private Task _running = Task.CompletedTask;
    private bool _isHeld;

    public BugPlanter? Planter { get; set; }

    /// <summary>Workers are paused, or about to be.</summary>
    public bool IsBusy => _isHeld || !_running.IsCompleted;

    /// <summary>Sequences had to begin anew, or could not go on: what they wait for starts again.</summary>
    public Action? OnPaused { get; init; }

    private WeightSwap Swap => cluster.Swap;

    /// <summary>Begins an update, a pause, or goes on; or nothing.</summary>
    public void Disturb()
    {
        ThrowIfFailed();
        if (!_running.IsCompleted)
            return;
        PauseMode mode = (PauseMode)setup.Next(3);
        if (_isHeld)
        {
            if (setup.Chance(6))
                _running = UpdateAsync(mode);
            else if (setup.Chance(3))
                _running = GoOnAsync();
        }
        else if (setup.Chance(setup.UpdatesOneStepIn))
            _running = UpdateAsync(mode);
        else if (setup.Chance(setup.UpdatesOneStepIn * 3))
            _running = HoldAsync(mode);
        if (!_running.IsCompleted && setup.Chance(2))
            tally.Count(Happening.PausedLater);
    }

    public void ThrowIfFailed()
    {
        if (_running.Exception is { } failed)
            ExceptionDispatchInfo.Throw(failed.InnerException!);
    }

    /// <summary>The next version.</summary>
    public WeightEpoch Next() => new(Swap.Current.Number + 1, $"{Swap.Current.Number + 1}", null);

    /// <summary>Some come just too late for it.</summary>
    private void AbortMost()
    {
        foreach (SimulatedCall call in live)
        {
            if (!setup.Chance(8))
                abort(call);
        }
    }

    private async Task UpdateAsync(PauseMode mode)
    {
        await PauseAsync(mode).ConfigureAwait(false);
        foreach (SimulatedCall call in live)
            call.NoteComputed(Swap.Current.Number);
        Planter?.Updates.BeforeSwap();
        Task swapped = Swap.SwapAsync(Next());
        Planter?.Updates.AfterSwap();
        await swapped.ConfigureAwait(false);
        Planter?.Updates.BeforeContinue();
        tally.Count(Happening.Updated);
        if (!_isHeld)
            await Swap.ContinueAsync().ConfigureAwait(false);
    }

    private async Task HoldAsync(PauseMode mode)
    {
        _isHeld = true;
        await PauseAsync(mode).ConfigureAwait(false);
        if (mode == PauseMode.InPlace || !setup.Chance(2))
            return;
        cluster.Vacate();
        tally.Count(Happening.Vacated);
    }

    private async Task GoOnAsync()
    {
        await Swap.ContinueAsync().ConfigureAwait(false);
        _isHeld = false;
    }

    private async Task PauseAsync(PauseMode mode)
    {
        foreach (SimulatedCall call in live)
            tally.CountPause(mode, call.Sequence!.Phase);
        Task paused = Swap.PauseAsync(mode, AbortMost);
        Planter?.AfterPause();
        await paused.ConfigureAwait(false);
        foreach (WorkerSlot slot in cluster.Slots)
            Check.That(slot.Worker.IsDead || slot.Worker.IsPaused);
        if (mode != PauseMode.InPlace)
        {
            foreach (KvDomain domain in cluster.Domains)
                Check.That(domain.HolderCount == 0);
        }
        OnPaused?.Invoke();
    }
}
