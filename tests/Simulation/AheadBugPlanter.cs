namespace PdEngine.Tests;

/// <summary>Does what bugs of running ahead would do to the state.</summary>
internal sealed class AheadBugPlanter(PlantedBug bug, SimulatedCluster cluster, List<SimulatedCall> live)
{
    private bool _done;

    /// <summary>They can only show where batches are started before the last ones are applied.</summary>
    public static bool IsOfRunningAhead(PlantedBug bug) => bug >= PlantedBug.ReleasedWhileStarted;

    public void BeforeStep()
    {
        if (_done)
            return;
        if (bug == PlantedBug.ExtraTokenKept
            && Find(one => one is { IsStarted: true, Ending: FinishReason.Stop }) is { } ending)
        {
            ending.Ending = null;
            _done = true;
        }
        if (bug == PlantedBug.TokenOfAnotherRow)
            SwapRows();
        if (bug == PlantedBug.BlockRewrittenUnderBatch)
            Rewrite();
    }

    /// <summary>A token was appended that may end its sequence.</summary>
    public void OnToken(Sequence sequence)
    {
        if (bug == PlantedBug.ReleasedWhileStarted && sequence.IsStarted
            && sequence.Request.StopTokenIds.Contains(sequence.Tokens[^1]))
        {
            sequence.StartedRow = -1;
        }
    }

    /// <summary>Workers have been asked to pause; some have a batch started.</summary>
    public void AfterPause()
    {
        if (bug != PlantedBug.WeightsSwappedUnderBatch)
            return;
        foreach (WorkerSlot slot in cluster.Slots)
        {
            FakeModelRunner runner = cluster.Runner(slot.Number);
            if (runner.StartedCount > 0 && !slot.Worker.IsDead)
                runner.Epoch++;
        }
    }

    private void SwapRows()
    {
        foreach (WorkerSlot slot in cluster.Slots)
        {
            Sequence[] started = [.. EngineInternals.Live(slot.Worker).Keys.Where(
                one => one is { IsStarted: true, Phase: SequencePhase.Decoding, Ending: null })];
            if (started.Length < 2 || slot.Worker.IsDead)
                continue;
            (started[0].StartedRow, started[1].StartedRow) = (started[1].StartedRow, started[0].StartedRow);
            _done = true;
        }
    }

    /// <summary>What a copy into a block would do that was given away too early.</summary>
    private void Rewrite()
    {
        foreach (WorkerSlot slot in cluster.Slots)
        {
            Sequence? started = EngineInternals.Live(slot.Worker).Keys.FirstOrDefault(
                one => one is { IsStarted: true, ComputedCount: > 1 });
            if (_done || started is null || slot.Worker.IsDead)
                continue;
            cluster.Memory(slot.Number).Write(started.Blocks[0], 0, -7);
            _done = true;
        }
    }

    private Sequence? Find(Predicate<Sequence> condition) =>
        live.Find(call => !call.IsFinished && condition(call.Sequence!))?.Sequence;
}
